"""Collect the findings of one check, and say how to repair each part of a dataset folder.

Every instruction keeps the work log, so a rebuild pays for no answer twice.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

READ_ERRORS = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError, RecursionError,
    pa.ArrowException, sqlite3.Error,
)  # fmt: skip
"""Exceptions raised while a damaged file is read: its values may have any type, its sizes and counts any value."""

RESTART = "run `in2 build --restart` to rebuild the dataset; answers that were paid for are reused"
REBUILD_SCREENING = (
    "delete segments/exclusions.parquet and the files of every later stage, then run `in2 build`; answers come from "
    "the work log"
)
REBUILD_QUESTIONS = (
    "delete questions.parquet, instructions.parquet, examples.parquet and manifest.json, then run `in2 build`; "
    "answers come from the work log"
)
REBUILD_EXAMPLES = "delete examples.parquet and manifest.json, then run `in2 build`; no question is asked again"
REBUILD_MANIFEST = "delete manifest.json, then run `in2 build`, which writes it and README.md again"
RECOVER_WORK_LOG = (
    "copy the file, then restore it with `sqlite3 work.sqlite .recover`; do not delete it, it holds paid answers"
)

MAX_FINDINGS = 5
"""Findings kept per check; a damaged file can have thousands of the same kind."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a check."""

    check: str
    where: str
    """File, and row if there is one."""
    what: str
    advice: str
    is_error: bool
    """False for a note, which needs no repair."""


class CheckSkipped(Exception):
    """A check cannot run on this folder; the message gives the reason."""


class CheckReport:
    """The findings of one check."""

    def __init__(self, check: str) -> None:
        self._check = check
        self.findings: list[Finding] = []
        self.n_errors = 0

    def error(self, where: str, what: str, advice: str) -> None:
        """Add an error; beyond MAX_FINDINGS, the last finding gives the number of the others."""
        self.n_errors += 1
        if self.n_errors <= MAX_FINDINGS:
            self.findings.append(Finding(self._check, where, what, advice, is_error=True))
        else:
            more = f"and {self.n_errors - MAX_FINDINGS + 1:,} more findings of this check"
            self.findings[-1] = Finding(self._check, where, more, advice, is_error=True)

    def errors(self, where: str, faults: Iterable[str], advice: str) -> None:
        """Add an error for each fault of one row."""
        for fault in faults:
            self.error(where, fault, advice)

    def note(self, where: str, what: str, advice: str) -> None:
        """Add a note."""
        self.findings.append(Finding(self._check, where, what, advice, is_error=False))
