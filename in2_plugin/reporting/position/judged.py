"""Read the verdicts of `in2 probe judge` beside a results file: a curve by the judge, and its agreement."""

from dataclasses import dataclass

from in2_plugin.probing.judging.agreement import Agreement, agreement_of
from in2_plugin.probing.judging.judged_answers import read_judged
from in2_plugin.probing.scoring.curves import Curve, curve_from_positions
from in2_plugin.reporting.position.examples import log_of
from in2_plugin.reporting.results import TaskResult


@dataclass(frozen=True, slots=True)
class JudgedCurve:
    """What a judge says about the answers to questions with one gold, of one task at one length."""

    judge: str
    curve: Curve
    agreement: Agreement


def judged_curve(result: TaskResult) -> JudgedCurve | None:
    """Return the verdicts on the answers that make the curve of `result`; None if they were not judged.

    Raises:
        ReportError: the file of verdicts is damaged.
    """
    log = log_of(result)
    path = log and log.with_name(log.name.replace("samples_", "judged_", 1))
    if path is None or not path.is_file():
        return None
    of_curve = {one.set for one in result.sets}
    judged = [row for row in read_judged(path) if row.length == result.key.length and row.verdict is not None]
    rows = [row for row in judged if row.question in of_curve]
    if not rows:
        return None
    n = len(result.spans)
    curve = curve_from_positions([(float(bool(row.verdict)), row.depth, n, row.question) for row in rows], n)
    return JudgedCurve(rows[0].judge, curve, agreement_of(rows))
