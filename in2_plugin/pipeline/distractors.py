"""A judge reads the hardest fillers of each question, and those that answer it are replaced.

Hardest are those that share most words with the question. Invariant: what is replaced depends on the judge's answers
alone, and these are in the work log, so that a build that is run again replaces the same ones and pays nothing.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, replace
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.errors import NotEnoughSegments
from in2_plugin.examples.planner import ContextOrder, Example, ExamplePlanner, Order
from in2_plugin.questions.model.checks import words
from in2_plugin.questions.model.verification import Distractor

ROUNDS = 8
"""Times that fillers of one example are replaced at most: new fillers may answer, too."""
Row = Mapping[str, Any]
"""Of examples.parquet."""
Judge = Callable[[Sequence[Distractor]], Sequence[bool]]


class Distraction:
    """Replaces fillers that answer a question; does nothing when `distractors.judge_hardest` is 0."""

    def __init__(self, planner: ExamplePlanner, hardest: int, judge: AbstractContextManager[Any] | None) -> None:
        self._planner, self._hardest, self._open = planner, hardest, judge
        self._stack = ExitStack()
        self._ask: Judge | None = None
        self.read = self.replaced = 0

    @classmethod
    def of(cls, config: BuildConfig, planner: ExamplePlanner, say: Callable[[str], None]) -> Self:
        """As the build file asks.

        Raises:
            MissingExtra, ConfigError: the judge cannot be asked.
        """
        hardest = config.distractors.judge_hardest
        if not hardest:
            return cls(planner, 0, None)
        from in2_plugin.questions.model.writer import ModelWriter

        return cls(planner, hardest, ModelWriter(config.questions, config.output / layout.WORK_LOG, say))

    def __enter__(self) -> Self:
        if self._open is not None:
            self._ask = self._stack.enter_context(self._open).distracting
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    @property
    def judges(self) -> bool:
        """Whether anything is to be replaced."""
        return self._ask is not None

    def removed(self, orders: Sequence[Order], planned: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows of examples, in batches, with other fillers where some answered a question.

        `orders`: what they were planned from, in the same order.
        """
        assert self._ask is not None, "there is a judge"
        start = 0
        for batch in planned:
            theirs = orders[start : start + batch.num_rows]
            rows = self._settled(self._ask, list(zip(theirs, batch.to_pylist(), strict=True)))
            yield pa.RecordBatch.from_pylist(rows, schema=batch.schema)
            start += batch.num_rows

    def _settled(self, ask: Judge, planned: Sequence[tuple[Order, Row]]) -> list[Row]:
        open_orders: dict[int, tuple[ContextOrder, Row]] = {
            i: (order, row)
            for i, (order, row) in enumerate(planned)
            if isinstance(order, ContextOrder) and not order.questions[0].short_context
        }
        settled = {i: row for i, (_, row) in enumerate(planned) if i not in open_orders}
        for _ in range(ROUNDS):
            open_orders = self._round(ask, open_orders, settled)
            if not open_orders:
                return [settled[i] for i in range(len(planned))]
        order, _ = next(iter(open_orders.values()))
        raise NotEnoughSegments(
            f"the judge finds an answer to {order.questions[0].question!r} in every filler that is tried; lower "
            "distractors.judge_hardest or ask for checks of the questions with `questions.verify`"
        )

    def _round(
        self, ask: Judge, open_orders: Mapping[int, tuple[ContextOrder, Row]], settled: dict[int, Row]
    ) -> dict[int, tuple[ContextOrder, Row]]:
        """Have the hardest fillers judged; the examples that had to be planned again are still open."""
        asked = [(i, d) for i, (_, row) in open_orders.items() for d in self._distractors(row)]
        verdicts = ask([d for _, d in asked])
        self.read += len(asked)
        found: dict[int, set[int]] = {}
        for (i, distractor), answers in zip(asked, verdicts, strict=True):
            if answers:
                found.setdefault(i, set()).add(distractor.segment)
        again = {}
        for i, (order, row) in open_orders.items():
            if i not in found:
                settled[i] = row
                continue
            self.replaced += len(found[i])
            other = replace(order, banned=order.banned | found[i])
            again[i] = other, _row_of(self._planner.plan(other))
        return again

    def _distractors(self, row: Row) -> Iterator[Distractor]:
        own = {i for turn in row["turns"] for i in turn["segment_ids"]}
        fillers = [i for i in row["segment_ids"] if i not in own]
        store = self._planner.store
        for turn in row["turns"]:
            asked = set(words(turn["question"]))
            shared = {i: len(asked.intersection(words(store.text(i)))) for i in fillers}
            # among equals the first in the store, so that the choice does not depend on their order
            for i in heapq.nsmallest(self._hardest, fillers, key=lambda i: (-shared[i], i)):
                yield Distractor(turn["question"], i, store.text(i))

    def detail(self) -> str:
        """A line about how it is getting on."""
        return self.line()

    def line(self) -> str:
        """What was read and replaced; empty when nothing is to be judged."""
        return f"a judge read {self.read:,} fillers, {self.replaced:,} replaced" if self._hardest else ""


def _row_of(example: Example) -> Row:
    return {**asdict(example), "segment_ids": example.segment_ids.tolist()}
