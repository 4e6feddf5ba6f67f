"""The verdicts of a judge as files: `judged_<task>_<date>.jsonl` beside the answers that lm_eval has logged.

One row per logged answer, in the same order:

    {"question": 0, "length": 8192, "depth": 3, "verdict": true, "contained": false, "judge": "gpt-4.1"}

`verdict` is null where the judge gave none, and `reason` says why. Invariant: a file is complete or absent.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from in2_plugin.errors import ReportError
from in2_plugin.io.atomic import write_text_atomic
from in2_plugin.probing.judging.logged_answers import AnswerLog


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """What the judge says about one answer."""

    question: int
    length: int
    depth: int
    verdict: bool | None
    """True if the judge takes the answer for correct; None without a verdict."""
    contained: bool
    """True if the answer contains the gold texts."""
    judge: str
    """Name of the judge's model on its server."""
    reason: str = ""
    """Why there is no verdict, or why none was asked for; empty otherwise."""


def judged_path(log: AnswerLog) -> Path:
    """Return the path of the verdicts on a log."""
    return log.path.with_name(f"judged_{log.task}_{log.date}.jsonl")


def write_judged(path: Path, rows: Iterable[JudgedAnswer]) -> None:
    """Write verdicts atomically."""
    write_text_atomic(path, "".join(json.dumps(_as_json(row), ensure_ascii=False) + "\n" for row in rows))


def _as_json(row: JudgedAnswer) -> dict[str, object]:
    written = asdict(row)
    if not row.reason:
        del written["reason"]
    return written


def read_judged(path: Path) -> tuple[JudgedAnswer, ...]:
    """Read verdicts.

    Raises:
        ReportError: the file cannot be read; names the row.
    """
    rows = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            rows.append(JudgedAnswer(**json.loads(line)))
    except (OSError, ValueError, TypeError) as problem:
        raise ReportError(
            f"{path}, row {len(rows) + 1}: is not a verdict of `in2 probe judge` ({problem}); run it again"
        ) from None
    return tuple(rows)
