"""`in2 doctor`: does everything hold in a dataset folder that must?

Each check looks at one thing, says how much it looked at, and gives a finding for each thing that is wrong, with what
to do about it. A check whose files are not there yet is left out, and that is said. Invariants: nothing is changed, and
a damaged file is a finding, never a traceback. Cost: one pass over the tables, in memory of one row group and about
300 bytes a question.
"""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from in2_plugin.errors import DatasetError, In2Error
from in2_plugin.inspection import example_checks, file_checks, log_checks, store_checks
from in2_plugin.inspection.finding import Finding, LeftOut, Report

DAMAGE = (In2Error, OSError, ValueError, KeyError, TypeError, IndexError, pa.ArrowException, sqlite3.Error)
"""What reading a damaged file may raise."""
AGAIN = "run `in2 build --restart` to make it again; answers that were paid for are kept"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it is about, the files it needs, and the function that does it."""

    about: str
    needs: tuple[str, ...]
    look: Callable[[Path, Report], str]
    """Reports what is wrong, and returns what it looked at."""


CHECKS = (
    Check("build file", ("build.json",), file_checks.build_file),
    Check("stages", (), file_checks.stages),
    Check("manifest", ("manifest.json", "examples.parquet", "segments/store.json"), file_checks.manifest),
    Check("dataset card", ("README.md", "examples.parquet"), file_checks.card),
    Check("segments", ("segments/store.json",), store_checks.segments),
    Check("token ids", ("segments/store.json",), store_checks.token_ids),
    Check("documents", ("segments/store.json",), store_checks.documents),
    Check("questions", ("segments/store.json", "questions.parquet"), example_checks.questions),
    Check("rejections", ("rejected.parquet", "questions.parquet"), example_checks.rejections),
    Check(
        "examples",
        ("segments/store.json", "questions.parquet", "examples.parquet", "build.json"),
        example_checks.examples,
    ),
    Check("rendering", ("segments/store.json", "examples.parquet", "manifest.json"), example_checks.rendering),
    Check("work log", ("work.sqlite",), log_checks.work_log),
    Check("answers of questions", ("work.sqlite", "questions.parquet"), log_checks.answers_of_questions),
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
    def is_sound(self) -> bool:
        """Whether nothing is wrong; notes are not."""
        return not any(finding.is_wrong for finding in self.findings)


def examine(folder: Path) -> Examination:
    """Do every check that the folder has files for.

    Raises:
        DatasetError: there is no such folder.
    """
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}; give the `output` of a build file")
    examination = Examination()
    for check in CHECKS:
        missing = [name for name in check.needs if not (folder / name).exists()]
        if missing:
            examination.left_out.append((check.about, f"{missing[0]} is not there"))
            continue
        report = Report(check.about)
        try:
            examination.done.append((check.about, check.look(folder, report)))
        except LeftOut as reason:
            examination.left_out.append((check.about, str(reason)))
        except (json.JSONDecodeError, *DAMAGE) as failure:
            said = " ".join(str(failure).split()) or type(failure).__name__
            report.wrong(" and ".join(check.needs) or str(folder), f"cannot be read ({said[:200]})", AGAIN)
            examination.done.append((check.about, "a damaged file"))
        examination.findings.extend(report.findings)
    return examination
