"""Make a dataset folder whose answers a teacher wrote, from a finished dataset and what was written.

Segments, rejected questions and conversations are hard links (copies on another file system); questions and examples
have the verified answers in place of the stored ones; plans, audit and manifest are those of a build. Invariants: the
contexts are those of the dataset, segment by segment; an example outside `lengths` of the build file keeps all of its
stored answers, and is counted. Cost: about 2 ms per example of 16K tokens, on one core.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.config import LONG_PARTS, BuildConfig
from in2_plugin.dataset.reader import IN2Dataset, turns_of
from in2_plugin.dataset.tables import EXAMPLES, QUESTIONS, RowWriter, read_rows, write_rows
from in2_plugin.examples.rendering import Renderer, gold_spans
from in2_plugin.inspection.text_digest import text_digest
from in2_plugin.io.atomic import write_atomic
from in2_plugin.teaching.writing.store import Answers, WritingReport, WrittenAnswers
from in2_plugin.teaching.writing.verification import AnswerOutcome, says_the_same

Row = dict[str, Any]


def make_dataset(
    source: IN2Dataset, config: BuildConfig, written: WrittenAnswers, step: Callable[[int], None] = lambda _: None
) -> WritingReport:
    """Write segments, questions and examples of a new dataset, unless they exist; a build does the rest.

    Args:
        config: the build file of `source`, with another `output`.
        written: all answers.
        step: called with the number of examples just done.
    """
    folder, examples = config.output, config.output / layout.EXAMPLES
    if not examples.exists():
        link_files(source.folder, folder)
        made = _Examples(source, config, written)
        with RowWriter(examples, EXAMPLES) as rows:
            for row in made:
                rows.add(row)
                step(1)
            made.report().write(written.folder)
            _write_questions(source.folder, folder, made.answers)
        # examples.parquet has its name from here on, after everything that belongs to it
    return WritingReport.read(written.folder)


def link_files(source: Path, folder: Path) -> None:
    """Link what does not depend on answers; the facts that mark segments and screening as complete come last."""
    (folder / layout.SEGMENTS).mkdir(exist_ok=True)
    last = [layout.STAGES["segments"], layout.STAGES["screening"]]
    segments = sorted(path.relative_to(source).as_posix() for path in (source / layout.SEGMENTS).iterdir())
    for name in [*(one for one in segments if one not in last), layout.REJECTED, layout.INSTRUCTIONS, *last]:
        if (source / name).is_file() and not name.endswith(".part"):
            _link(source / name, folder / name)


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        write_atomic(target, partial(_copy, source))


def _copy(source: Path, part: Path) -> None:
    shutil.copyfile(source, part)


def _write_questions(source: Path, folder: Path, answers: Mapping[int, str]) -> None:
    """Write questions.parquet with new answers, given by the digest of kind and question."""
    path = source / layout.QUESTIONS
    rows = ({**row, "answer": answers.get(_digest(row), row["answer"])} for row in read_rows(path))
    stored = pq.read_schema(path).names  # earlier versions have fewer columns
    write_rows(folder / layout.QUESTIONS, rows, pa.schema([column for column in QUESTIONS if column.name in stored]))


def _digest(question: Mapping[str, Any]) -> int:
    return text_digest(question["kind"], question["question"])


class _Examples:
    """Yields the rows of the new examples.parquet, and counts."""

    def __init__(self, source: IN2Dataset, config: BuildConfig, written: WrittenAnswers) -> None:
        self._source, self._config, self._written = source, config, written
        self.answers: dict[int, str] = {}
        """The answers that were replaced, by the digest of kind and question."""
        self._outcomes: Counter[AnswerOutcome] = Counter()
        self._counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Row]:
        for row, answers in zip(self._source.rows(), self._written, strict=True):
            yield self._answered(row, answers)

    def report(self) -> WritingReport:
        """Return the counts of all rows so far."""
        names = ("conversations", "same", "stored_tokens", "written_tokens")
        counts = {name: self._counts[name] for name in names}
        outcomes = {str(outcome): self._outcomes[outcome] for outcome in AnswerOutcome}
        return WritingReport(
            model=self._written.facts.model, questions=self._outcomes.total(), outcomes=outcomes, **counts
        )

    def _answered(self, row: Row, answers: Answers) -> Row:
        """Return a row with its verified answers, or the row if it does not fit with them."""
        if not answers:
            self._counts["conversations"] += len(row["turns"])
            return row
        outcomes = {turn: one.outcome for turn, one in answers.items()}
        used = {turn: one.text for turn, one in answers.items() if one.outcome is AnswerOutcome.VERIFIED}
        new = with_answers(row, used, self._source.renderer) if used else row
        if not _fits(new, self._config):
            new, outcomes = row, outcomes | dict.fromkeys(used, AnswerOutcome.OUTSIDE_LENGTHS)
            used = {}
        self._outcomes.update(outcomes.values())
        self._counts["stored_tokens"] += row["n_answer_tokens"]
        self._counts["written_tokens"] += new["n_answer_tokens"]
        for turn, text in used.items():
            self._counts["same"] += says_the_same(text, row["turns"][turn]["answer"])
            self.answers[_digest(row["turns"][turn])] = text
        return new


def _fits(row: Row, config: BuildConfig) -> bool:
    """Return True if an example with new answers is within the bounds of its build file."""
    shortest = config.lengths.min if row["part"] in LONG_PARTS else 1
    fewest, most = config.audit.answer_tokens
    has_length = shortest <= row["n_tokens"] <= config.lengths.max
    return has_length and all(fewest <= turn["n_answer_tokens"] <= most for turn in row["turns"])


def with_answers(row: Row, texts: Mapping[int, str], renderer: Renderer) -> Row:
    """Return a row of examples.parquet with other answers, given by the number of the turn, and its new counts."""
    turns = [{**turn, "answer": texts.get(i, turn["answer"])} for i, turn in enumerate(row["turns"])]
    rendered = renderer.render(row["segment_ids"], turns_of({"turns": turns}))
    for turn, (start, stop) in zip(turns, rendered.answers, strict=True):
        golds = [span["segment_id"] for span in turn["gold"]]
        turn["gold"] = [asdict(span) for span in gold_spans(rendered, row["segment_ids"], golds)]
        turn["n_answer_tokens"] = stop - start
    n_answer_tokens = sum(turn["n_answer_tokens"] for turn in turns)
    return {**row, "turns": turns, "n_tokens": len(rendered.input_ids), "n_answer_tokens": n_answer_tokens}
