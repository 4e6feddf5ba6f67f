"""A judge reads the hardest fillers of each question, and those that answer it are replaced.

Hardest are those that share most words with the question. Invariant: what is replaced depends on the judge's answers
alone, and these are in the work log, so that a build that is run again replaces the same ones and pays nothing.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from in2_plugin.claiming import WORK_LOG
from in2_plugin.config import BuildConfig
from in2_plugin.contexts.examples import ContextOrder, Conversation, Example, ExamplePlanner
from in2_plugin.errors import NotEnoughSegments
from in2_plugin.questions.checks import words
from in2_plugin.questions.verification import Distractor

ROUNDS = 8
"""Times that fillers of one example are replaced at most: new fillers may answer, too."""
Planned = Sequence[tuple[ContextOrder | Conversation, Example]]
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
        from in2_plugin.questions.model_writer import ModelWriter

        return cls(planner, hardest, ModelWriter(config.questions, config.output / WORK_LOG, say))

    def __enter__(self) -> Self:
        if self._open is not None:
            self._ask = self._stack.enter_context(self._open).distracting
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    def removed(self, planned: Planned) -> Iterator[Example]:
        """The examples, with other fillers where some answered a question."""
        if self._ask is None:
            yield from (example for _, example in planned)
            return
        open_orders: dict[int, tuple[ContextOrder, Example]] = {
            i: (order, example)
            for i, (order, example) in enumerate(planned)
            if isinstance(order, ContextOrder) and not order.questions[0].short_context
        }
        settled = {i: example for i, (_, example) in enumerate(planned) if i not in open_orders}
        for _ in range(ROUNDS):
            open_orders = self._round(self._ask, open_orders, settled)
            if not open_orders:
                yield from (settled[i] for i in range(len(planned)))
                return
        order, _ = next(iter(open_orders.values()))
        raise NotEnoughSegments(
            f"the judge finds an answer to {order.questions[0].question!r} in every filler that is tried; lower "
            "distractors.judge_hardest or ask for checks of the questions with `questions.verify`"
        )

    def _round(
        self,
        ask: Judge,
        open_orders: Mapping[int, tuple[ContextOrder, Example]],
        settled: dict[int, Example],
    ) -> dict[int, tuple[ContextOrder, Example]]:
        """Have the hardest fillers judged; the examples that had to be planned again are still open."""
        asked = [(i, d) for i, (_, example) in open_orders.items() for d in self._distractors(example)]
        verdicts = ask([d for _, d in asked])
        self.read += len(asked)
        found: dict[int, set[int]] = {}
        for (i, distractor), answers in zip(asked, verdicts, strict=True):
            if answers:
                found.setdefault(i, set()).add(distractor.segment)
        again = {}
        for i, (order, example) in open_orders.items():
            if i not in found:
                settled[i] = example
                continue
            self.replaced += len(found[i])
            other = replace(order, banned=order.banned | found[i])
            again[i] = other, self._planner.plan(other)
        return again

    def _distractors(self, example: Example) -> Iterator[Distractor]:
        own = {i for turn in example.turns for i in turn.segment_ids}
        fillers = [i for i in example.segment_ids.tolist() if i not in own]
        store = self._planner.store
        for turn in example.turns:
            asked = set(words(turn.question))
            shared = {i: len(asked.intersection(words(store.text(i)))) for i in fillers}
            # among equals the first in the store, so that the choice does not depend on their order
            for i in heapq.nsmallest(self._hardest, fillers, key=lambda i: (-shared[i], i)):
                yield Distractor(turn.question, i, store.text(i))

    def detail(self) -> str:
        """A line about how it is getting on."""
        return self.line()

    def line(self) -> str:
        """What was read and replaced; empty when nothing is to be judged."""
        return f"a judge read {self.read:,} fillers, {self.replaced:,} replaced" if self._hardest else ""
