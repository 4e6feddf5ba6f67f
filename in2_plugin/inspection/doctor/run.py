"""`in2 doctor`: check every invariant of a dataset folder.

Each check covers one topic, returns how much it checked, and reports a finding with a repair instruction for each
fault. A check whose files do not exist yet is skipped. Invariants: no file is changed, and a damaged file is a finding,
never a traceback. Cost: one pass over the tables and the segments; memory for one row group and about 120 bytes per
question.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from in2_plugin import layout
from in2_plugin.dataset.plans import REBUILD_PLANS
from in2_plugin.errors import In2Error, one_line
from in2_plugin.inspection.doctor.examples import check_examples
from in2_plugin.inspection.doctor.files import (
    check_audit,
    check_build_file,
    check_card,
    check_manifest,
    check_stages,
)
from in2_plugin.inspection.doctor.plans import check_plans
from in2_plugin.inspection.doctor.questions import check_instructions, check_questions, check_rejections
from in2_plugin.inspection.doctor.rendering import check_rendering
from in2_plugin.inspection.doctor.work_log import check_answers_of_questions, check_work_log
from in2_plugin.inspection.report import (
    READ_ERRORS,
    REBUILD_EXAMPLES,
    REBUILD_MANIFEST,
    REBUILD_QUESTIONS,
    REBUILD_SCREENING,
    RECOVER_WORK_LOG,
    RESTART,
    CheckReport,
    CheckSkipped,
    Finding,
)
from in2_plugin.inspection.store_files import (
    check_documents,
    check_screening,
    check_segment_files,
    check_segments,
    check_token_ids,
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the doctor."""

    name: str
    needs: tuple[str, ...]
    """Files without which the check is skipped."""
    run: Callable[[Path, CheckReport], str]
    """Reports faults, and returns a description of what it checked."""
    advice: str
    """Repair instruction for files that cannot be read."""
    guards: str = ""
    """A file that no later check may open if this one finds an error."""


BUILD, MANIFEST, CARD = layout.BUILD, layout.MANIFEST, layout.CARD
STORE, SCREENING, PLANS = (layout.STAGES[stage] for stage in ("segments", "screening", "plans"))
TABLE, OFFSETS = f"{layout.SEGMENTS}/{layout.SEGMENT_TABLE}", f"{layout.SEGMENTS}/{layout.SEGMENT_OFFSETS}"
SEGMENTS = (STORE, TABLE)
QUESTIONS, EXAMPLES, LOG = layout.QUESTIONS, layout.EXAMPLES, layout.WORK_LOG

CHECKS = (
    Check("build file", (BUILD,), check_build_file, RESTART),
    Check("stages", (), check_stages, RESTART),
    # Arrow trusts the offsets in a mapped file: without this check, a damaged one crashes the process
    Check("segment files", (STORE,), check_segment_files, RESTART, guards=TABLE),
    Check("segments", SEGMENTS, check_segments, RESTART),
    # for the same reason
    Check("token ids", SEGMENTS, check_token_ids, RESTART, guards=OFFSETS),
    Check("documents", SEGMENTS, check_documents, RESTART),
    Check("screening", (*SEGMENTS, SCREENING), check_screening, REBUILD_SCREENING),
    Check("questions", (*SEGMENTS, QUESTIONS), check_questions, REBUILD_QUESTIONS),
    Check("instructions", (layout.INSTRUCTIONS,), check_instructions, REBUILD_QUESTIONS),
    Check("rejections", (layout.REJECTED, QUESTIONS), check_rejections, REBUILD_QUESTIONS),
    Check("examples", (BUILD, *SEGMENTS, QUESTIONS, EXAMPLES), check_examples, REBUILD_EXAMPLES),
    Check("plans", (OFFSETS, *SEGMENTS, EXAMPLES, PLANS), check_plans, REBUILD_PLANS),
    Check("audit", (layout.AUDIT, EXAMPLES), check_audit, REBUILD_MANIFEST),
    Check("manifest", (MANIFEST, BUILD, STORE, EXAMPLES), check_manifest, REBUILD_MANIFEST),
    Check("dataset card", (CARD, EXAMPLES), check_card, REBUILD_MANIFEST),
    Check("rendering", (MANIFEST, OFFSETS, *SEGMENTS, EXAMPLES), check_rendering, REBUILD_EXAMPLES),
    Check("work log", (LOG,), check_work_log, RECOVER_WORK_LOG),
    Check("answers of questions", (LOG, QUESTIONS), check_answers_of_questions, RECOVER_WORK_LOG),
)


@dataclass(frozen=True, slots=True)
class Examination:
    """The result of all checks of one folder."""

    done: list[tuple[str, str]] = field(default_factory=list)
    """(check, description of what it checked)"""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """(check, reason)"""
    findings: list[Finding] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Stages that are not finished, in order; empty for a complete dataset."""

    @property
    def failed(self) -> list[str]:
        """Checks that found an error, in the order in which they ran."""
        found = {finding.check for finding in self.findings if finding.is_error}
        return [name for name, _ in self.done if name in found]

    @property
    def is_sound(self) -> bool:
        """True if no check failed; notes do not count."""
        return not self.failed

    @property
    def verdict(self) -> str:
        """The result in a few words."""
        found = f"{len(self.failed)} failed" if self.failed else "no problems found"
        if not self.missing:
            return found
        return (
            f"{found}, but the dataset is not complete: {', '.join(self.missing)} missing; run `in2 build` to finish it"
        )


def examine(folder: Path) -> Examination:
    """Run every check that the folder has files for.

    Raises:
        DatasetError: the folder does not exist or is not a dataset folder.
    """
    layout.require_dataset_folder(folder)
    examination = Examination(missing=[name for name, file in layout.STAGES.items() if not (folder / file).exists()])
    damaged: set[str] = set()
    for check in CHECKS:
        report = CheckReport(check.name)
        try:
            _require_files(folder, check, damaged)
            checked = check.run(folder, report)
        except CheckSkipped as reason:
            examination.skipped.append((check.name, str(reason)))
            continue
        except (In2Error, *READ_ERRORS) as failure:
            where = " and ".join(check.needs) or str(folder)
            report.error(where, f"cannot be read ({_reason(failure)})", check.advice)
            checked = "a damaged file"
        if report.n_errors and check.guards:
            damaged.add(check.guards)
        examination.done.append((check.name, checked))
        examination.findings.extend(report.findings)
    return examination


def _require_files(folder: Path, check: Check, damaged: set[str]) -> None:
    for name in check.needs:
        if name in damaged:
            raise CheckSkipped(f"{name} is damaged")
        if not (folder / name).exists():
            raise CheckSkipped(f"{name} is missing")


def _reason(failure: BaseException) -> str:
    return f"key {failure} is missing" if isinstance(failure, KeyError) else one_line(failure)
