"""What a check reports."""

from collections.abc import Iterable
from dataclasses import dataclass

KEPT = 5
"""Findings of one check that are kept one by one; a damaged file has thousands of the same."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check found."""

    check: str
    where: str
    """File, and row where there is one."""
    what: str
    advice: str
    is_wrong: bool
    """False for a note: worth knowing, nothing to repair."""


class LeftOut(Exception):
    """A check cannot be made here; its text says why."""


class Report:
    """The findings of one check."""

    def __init__(self, check: str) -> None:
        self._check = check
        self.findings: list[Finding] = []
        self.count = 0

    def wrong(self, where: str, what: str, advice: str) -> None:
        """Report something that must not be."""
        self.count += 1
        if self.count <= KEPT:
            self.findings.append(Finding(self._check, where, what, advice, is_wrong=True))
        else:
            # the last one kept says how many there are
            more = f"and {self.count - KEPT + 1:,} more findings of this check"
            self.findings[-1] = Finding(self._check, where, more, advice, is_wrong=True)

    def wrong_at(self, where: str, faults: Iterable[str], advice: str) -> None:
        """Report every fault of one row."""
        for fault in faults:
            self.wrong(where, fault, advice)

    def note(self, where: str, what: str, advice: str) -> None:
        """Report something that is worth knowing."""
        self.findings.append(Finding(self._check, where, what, advice, is_wrong=False))
