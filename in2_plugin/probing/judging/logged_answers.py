"""Read the answers of position tasks that lm_eval has logged: `samples_<task>_<date>.jsonl` of `--log_samples`.

Invariant: what the judge sees is what was scored: the text after the model's thoughts. Memory: one row, without its
prompt; a line of a log holds the whole prompt, 130 kB at 32K tokens.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ReportError
from in2_plugin.probing.position.scores import FINE_GRAINED
from in2_plugin.probing.scoring.thoughts import text_to_score

HOW_TO_LOG = "run the position task with `--log_samples --output_path FOLDER`"
DATE = r"\d{4}-\d\d-\d\dT[\d.\-]+"
"""In the names of all files that lm_eval writes."""
_NAME = re.compile(rf"samples_(?P<task>.+)_(?P<date>{DATE})\.jsonl")
_OF_A_POSITION_TASK = {"question", "length", "depth", "question_kind", "query", "gold", "kind", "thoughts"}
"""Keys of a row of every position task, and of no other."""


@dataclass(frozen=True, slots=True)
class AnswerLog:
    """One file of logged answers."""

    path: Path
    task: str
    date: str
    """As lm_eval writes it into file names."""


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One answer of the evaluated model."""

    probe: str
    """Name of the position probe."""
    question: int
    length: int
    depth: int
    query: str
    """The question as the model read it, without its context."""
    gold: tuple[str, ...]
    answer: str
    """The text that was scored; empty for an unfinished thought."""
    contained: bool
    """True if its score is 1: all gold texts that the probe asks for are in it."""
    kind: str = FINE_GRAINED
    """`fine_grained`: one gold. `integration`: several."""
    gold_depths: tuple[float, ...] = ()
    """Relative depth in [0, 1] of each gold, first gold first; empty in a control."""


def find_answer_logs(sources: Sequence[Path]) -> tuple[list[AnswerLog], list[str]]:
    """Return the newest log of each position task in each folder, and a note on every older one.

    Args:
        sources: folders of results, with any depth of subfolders, or files of logged answers.

    Raises:
        ReportError: a source does not exist, is not such a file, or has no log of a position task.
    """
    logs, notes = [], []
    for source in sources:
        found = _logs_of(source)
        if not found:
            raise ReportError(f"{source}: has no logged answers of a position task; {HOW_TO_LOG}")
        newest = {(log.path.parent, log.task): log for log in found}  # dates sort as text
        logs += [log for log in newest.values() if log not in logs]
        notes += [f"{log.path}: there is a newer log of {log.task}" for log in found if log not in newest.values()]
    return logs, notes


def _logs_of(source: Path) -> list[AnswerLog]:
    if source.is_dir():
        named = [found for path in sorted(source.rglob("samples_*.jsonl")) if (found := _log_of(path))]
        return [log for log in sorted(named, key=lambda log: log.date) if _is_of_a_position_task(log.path)]
    if not source.exists():
        raise ReportError(f"{source}: does not exist; give the folder that lm_eval wrote with --output_path")
    log = _log_of(source)
    if log is None:
        raise ReportError(f"{source}: is not named `samples_TASK_DATE.jsonl`; give a file that lm_eval has logged")
    return [log] if _is_of_a_position_task(source) else []


def _log_of(path: Path) -> AnswerLog | None:
    found = _NAME.fullmatch(path.name)
    return AnswerLog(path, found["task"], found["date"]) if found else None


def _is_of_a_position_task(path: Path) -> bool:
    _, first = next(_rows(path), (0, {}))
    doc = first.get("doc")
    return isinstance(doc, dict) and doc.keys() >= _OF_A_POSITION_TASK


def read_answers(log: AnswerLog) -> Iterator[LoggedAnswer]:
    """Yield the answers of a log, in its order.

    Raises:
        ReportError: a row is damaged; names file and row.
    """
    for number, row in _rows(log.path):
        try:
            yield _answer_of(row)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as problem:
            raise ReportError(
                f"{log.path}, row {number}: is not a logged answer of a position task "
                f"({type(problem).__name__}: {problem}); evaluate again with --log_samples"
            ) from None


def _answer_of(row: Mapping[str, Any]) -> LoggedAnswer:
    doc = row["doc"]
    text = row["filtered_resps"][0]
    answer, is_unfinished = text_to_score(text if isinstance(text, str) else text[0], doc["thoughts"])
    return LoggedAnswer(
        probe=str(doc["kind"]),
        question=int(doc["question"]),
        length=int(doc["length"]),
        depth=int(doc["depth"]),
        query=str(doc["query"]),
        gold=tuple(map(str, doc["gold"])),
        answer="" if is_unfinished and doc["thoughts"] != "scored" else answer.strip(),
        contained=float(row["acc"]) == 1.0,
        kind=str(doc["question_kind"]),
        gold_depths=tuple(map(float, doc["gold_depths"])),
    )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as lines:  # so that an error of the encoding is one of the row, too
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
            except ValueError as problem:
                raise ReportError(
                    f"{path}, row {number}: is not JSON ({problem}); lm_eval was probably killed while it wrote the "
                    "file: delete it, or evaluate again"
                ) from None
            yield number, row if isinstance(row, dict) else {}
