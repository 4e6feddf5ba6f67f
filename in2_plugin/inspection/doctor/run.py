"""`in2 doctor`: does everything hold in a dataset folder that must?

Each check looks at one thing, says how much it looked at, and gives a finding for each thing that is wrong, with what
to do about it. A check whose files are not there yet is left out, and that is said. Invariants: nothing is changed, and
a damaged file is a finding, never a traceback. Cost: one pass over the tables and the segments, in memory of one row
group and about 120 bytes a question.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from in2_plugin import layout
from in2_plugin.dataset.plans import AGAIN
from in2_plugin.errors import In2Error, one_line
from in2_plugin.inspection import plans as plan_checks
from in2_plugin.inspection import store_files as store_checks
from in2_plugin.inspection.doctor import examples as example_checks
from in2_plugin.inspection.doctor import files as file_checks
from in2_plugin.inspection.doctor import questions as question_checks
from in2_plugin.inspection.doctor import rendering as rendering_check
from in2_plugin.inspection.doctor import work_log as log_checks
from in2_plugin.inspection.report import Finding, LeftOut, Report

DAMAGE = (
    In2Error, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError,
    RecursionError, pa.ArrowException, sqlite3.Error,
)  # fmt: skip
"""What reading a damaged file may raise: values of another type, and sizes and counts of any size, among it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it is about, the files it needs, and the function that does it."""

    about: str
    needs: tuple[str, ...]
    look: Callable[[Path, Report], str]
    """Reports what is wrong, and returns what it looked at."""
    advice: str
    """What to do about files that cannot be read."""
    guards: str = ""
    """A file that no later check may open when this one finds something."""


STORE, TABLE, SCREENING = (
    layout.STAGES["segments"],
    f"{layout.SEGMENTS}/{layout.SEGMENT_TABLE}",
    layout.STAGES["screening"],
)
OFFSETS, PLAN_FACTS = f"{layout.SEGMENTS}/{layout.SEGMENT_OFFSETS}", layout.STAGES["plans"]
SEGMENTS = (STORE, TABLE)
QUESTIONS, EXAMPLES = layout.QUESTIONS, layout.EXAMPLES
MANIFEST, CARD, LOG = layout.MANIFEST, layout.CARD, layout.WORK_LOG

CHECKS = (
    Check("build file", (layout.BUILD,), file_checks.build_file, file_checks.BUILD_AGAIN),
    Check("stages", (), file_checks.stages, file_checks.BUILD_AGAIN),
    # Arrow trusts the offsets in a mapped file: without this check, a damaged one ends the process
    Check("segment files", (STORE,), store_checks.segment_files, store_checks.ADVICE, guards=TABLE),
    Check("segments", SEGMENTS, store_checks.segments, store_checks.ADVICE),
    # for the same reason
    Check("token ids", SEGMENTS, store_checks.token_ids, store_checks.ADVICE, guards=OFFSETS),
    Check("documents", SEGMENTS, store_checks.documents, store_checks.ADVICE),
    Check("screening", (*SEGMENTS, SCREENING), store_checks.screening, store_checks.SCREEN_AGAIN),
    Check("questions", (*SEGMENTS, QUESTIONS), question_checks.questions, question_checks.ADVICE),
    Check("instructions", (layout.INSTRUCTIONS,), question_checks.instructions, question_checks.ADVICE),
    Check("rejections", (layout.REJECTED, QUESTIONS), question_checks.rejections, question_checks.ADVICE),
    Check("examples", (layout.BUILD, *SEGMENTS, QUESTIONS, EXAMPLES), example_checks.examples, example_checks.ADVICE),
    Check("plans", (OFFSETS, *SEGMENTS, EXAMPLES, PLAN_FACTS), plan_checks.plans, AGAIN),
    Check("manifest", (MANIFEST, layout.BUILD, STORE, EXAMPLES), file_checks.manifest, file_checks.MANIFEST_AGAIN),
    Check("dataset card", (CARD, EXAMPLES), file_checks.card, file_checks.MANIFEST_AGAIN),
    Check("rendering", (MANIFEST, OFFSETS, *SEGMENTS, EXAMPLES), rendering_check.rendering, example_checks.ADVICE),
    Check("work log", (LOG,), log_checks.work_log, log_checks.ADVICE),
    Check("answers of questions", (LOG, QUESTIONS), log_checks.answers_of_questions, log_checks.ADVICE),
)


@dataclass(frozen=True, slots=True)
class Examination:
    """What was looked at, what was not, and what is wrong."""

    done: list[tuple[str, str]] = field(default_factory=list)
    """(check, what it looked at)"""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """(check, why)"""
    findings: list[Finding] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """The checks that found something wrong, in the order in which they were done."""
        found = {finding.check for finding in self.findings if finding.is_wrong}
        return [about for about, _ in self.done if about in found]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong; notes are not."""
        return not self.wrong


def examine(folder: Path) -> Examination:
    """Do every check that the folder has files for.

    Raises:
        DatasetError: there is no such folder, or nothing of ours is in it.
    """
    layout.require_dataset_folder(folder)
    examination = Examination()
    damaged: set[str] = set()
    for check in CHECKS:
        report = Report(check.about)
        try:
            _refuse_missing(folder, check, damaged)
            looked_at = check.look(folder, report)
        except LeftOut as reason:
            examination.left_out.append((check.about, str(reason)))
            continue
        except DAMAGE as failure:
            report.wrong(" and ".join(check.needs) or str(folder), f"cannot be read ({_said(failure)})", check.advice)
            looked_at = "a damaged file"
        if report.count and check.guards:
            damaged.add(check.guards)
        examination.done.append((check.about, looked_at))
        examination.findings.extend(report.findings)
    return examination


def _refuse_missing(folder: Path, check: Check, damaged: set[str]) -> None:
    for name in check.needs:
        if name in damaged:
            raise LeftOut(f"{name} is damaged")
        if not (folder / name).exists():
            raise LeftOut(f"{name} is not there")


def _said(failure: BaseException) -> str:
    text = one_line(failure)
    return f"it has no {text}" if isinstance(failure, KeyError) else text
