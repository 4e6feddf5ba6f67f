"""Have a judge read the hardest fillers of each question, and replace fillers that answer it.

The hardest fillers share the most words with the question. Invariant: replacements depend only on the judge's answers,
which are in the work log, so another run of the build replaces the same fillers and pays nothing.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from in2_plugin.config import QuestionsConfig
from in2_plugin.dataset.tables import example_row
from in2_plugin.errors import NotEnoughSegments
from in2_plugin.examples.planner import ContextOrder, ExamplePlanner, Order
from in2_plugin.questions import Part
from in2_plugin.questions.model.checks import words
from in2_plugin.questions.model.verification import Distractor

UNJUDGED = (Part.SHORT_CONTEXT, Part.RECORDS)
"""Parts without fillers, and with fillers that cannot answer a question: no identifier is in two records."""
ROUNDS = 8
"""Maximum rounds of replacements per example; new fillers may answer the question as well."""
Row = Mapping[str, Any]
"""A row of examples.parquet."""
Judge = Callable[[Sequence[Distractor]], Sequence[bool]]


class DistractorFilter:
    """Replaces fillers that answer a question; does nothing when `hardest` is 0."""

    def __init__(self, planner: ExamplePlanner, hardest: int, judge: AbstractContextManager[Any] | None) -> None:
        self._planner, self._hardest, self._open = planner, hardest, judge
        self._stack = ExitStack()
        self._ask: Judge | None = None
        self.read = self.replaced = 0

    @classmethod
    def of(
        cls,
        hardest: int,
        questions: QuestionsConfig,
        work_log: Path,
        planner: ExamplePlanner,
        say: Callable[[str], None],
    ) -> Self:
        """Make the filter that asks the judge of the `questions` section about the `hardest` fillers per question.

        Raises:
            MissingExtra, ConfigError: the judge cannot be asked.
        """
        if not hardest:
            return cls(planner, 0, None)
        from in2_plugin.questions.model.writer import ModelWriter

        return cls(planner, hardest, ModelWriter(questions, work_log, say))

    def __enter__(self) -> Self:
        if self._open is not None:
            self._ask = self._stack.enter_context(self._open).find_distracting
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    @property
    def is_active(self) -> bool:
        """True when a judge is open and fillers can be replaced."""
        return self._ask is not None

    def filter(self, orders: Sequence[Order], planned: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield batches of examples with replacements for fillers that answer a question.

        Args:
            orders: the orders of the planned examples, in the same order.
        """
        assert self._ask is not None, "the filter is active"
        start = 0
        for batch in planned:
            batch_orders = orders[start : start + batch.num_rows]
            rows = self._settled(self._ask, list(zip(batch_orders, batch.to_pylist(), strict=True)))
            yield pa.RecordBatch.from_pylist(rows, schema=batch.schema)
            start += batch.num_rows

    def _settled(self, ask: Judge, planned: Sequence[tuple[Order, Row]]) -> list[Row]:
        open_orders: dict[int, tuple[ContextOrder, Row]] = {
            i: (order, row)
            for i, (order, row) in enumerate(planned)
            if isinstance(order, ContextOrder) and order.questions[0].part not in UNJUDGED
        }
        settled = {i: row for i, (_, row) in enumerate(planned) if i not in open_orders}
        for _ in range(ROUNDS):
            open_orders = self._round(ask, open_orders, settled)
            if not open_orders:
                return [settled[i] for i in range(len(planned))]
        order, _ = next(iter(open_orders.values()))
        raise NotEnoughSegments(
            f"the judge finds an answer to {order.questions[0].question!r} in every filler; lower "
            "`distractors.judge_hardest`, or add checks of the questions under `questions.verify`"
        )

    def _round(
        self, ask: Judge, open_orders: Mapping[int, tuple[ContextOrder, Row]], settled: dict[int, Row]
    ) -> dict[int, tuple[ContextOrder, Row]]:
        """Have the hardest fillers judged, and return the examples that were planned again."""
        asked = [(i, d) for i, (_, row) in open_orders.items() for d in self._distractors(row)]
        verdicts = ask([d for _, d in asked])
        self.read += len(asked)
        found: dict[int, set[int]] = {}
        for (i, distractor), answers in zip(asked, verdicts, strict=True):
            if answers:
                found.setdefault(i, set()).add(distractor.segment)
        again: dict[int, tuple[ContextOrder, Row]] = {}
        for i, (order, row) in open_orders.items():
            if i not in found:
                settled[i] = row
                continue
            self.replaced += len(found[i])
            other = replace(order, banned=order.banned | found[i])
            again[i] = other, example_row(self._planner.plan(other))
        return again

    def _distractors(self, row: Row) -> Iterator[Distractor]:
        own = {i for turn in row["turns"] for i in turn["segment_ids"]}
        fillers = [i for i in row["segment_ids"] if i not in own]
        store = self._planner.store
        for turn in row["turns"]:
            asked = set(words(turn["question"]))
            shared = {i: len(asked.intersection(words(store.text(i)))) for i in fillers}
            # break ties by segment id, so that the choice does not depend on their order in the context
            for i in heapq.nsmallest(self._hardest, fillers, key=lambda i: (-shared[i], i)):
                yield Distractor(turn["question"], i, store.text(i))

    def detail(self) -> str:
        """Return one line about the current state."""
        return self.line()

    def line(self) -> str:
        """Return how many fillers were read and replaced; empty when the filter is off."""
        return f"a judge read {self.read:,} fillers, {self.replaced:,} replaced" if self._hardest else ""
