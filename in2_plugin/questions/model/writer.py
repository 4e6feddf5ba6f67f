"""Write questions with a language model: many concurrent requests, results in the order of the passages.

Invariant: an answer is in the work log before it is used, so that a stop at any moment loses at most the requests in
flight. The build's thread takes results one by one; requests run on an event loop in a background thread.
"""

import asyncio
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

from in2_plugin.config import QuestionsConfig
from in2_plugin.errors import SpendingStopped
from in2_plugin.llm.request import RunStopped, Usage
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.questions.model.background import BackgroundLoop
from in2_plugin.questions.model.models import Models, model_config
from in2_plugin.questions.model.production import PassageResults, Production
from in2_plugin.questions.model.prompts import PROMPT_VERSION
from in2_plugin.questions.model.verification import Distractor
from in2_plugin.questions.question import Passage, Results

HAND_OVER_SECONDS = 0.02
"""Seconds for which results are buffered before the build's thread is woken. Waking it for every result takes the
interpreter lock from the thread that sends: a fifth of the throughput at 256 connections."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Results of one passage with the tokens that they took, including those of earlier runs."""

    results: PassageResults
    writer: Usage
    judge: Usage


class ModelWriter:
    """A `QuestionWriter` for an endpoint or offline vLLM; a context manager."""

    def __init__(
        self,
        config: QuestionsConfig,
        log: Path,
        say: Callable[[str], None],
        *,
        on_ray: bool = False,
        known_log: Path | None = None,
        jobs: int = 1,
    ) -> None:
        """Prepare a writer whose answers go into the work log at `log`.

        Args:
            say: shows the user one line.
            on_ray: `writer: vllm` uses the GPUs of the Ray cluster that this process is connected to.
            known_log: a second, read-only work log whose answers count as well.
            jobs: number of array jobs that share `max_calls` and `max_cost`.
        """
        self._config, self._path, self._say = config, log, say
        self._on_ray, self._known, self._jobs = on_ray, known_log, jobs
        self._production: Production | None = None
        self.name = f"{config.writer}:{model_config(config).model}/prompts-{_prompts_name(config)}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            log = WorkLog(self._path, known=self._known)
            stack.callback(log.close)
            self._background = stack.enter_context(BackgroundLoop())
            self._models = self._background.run(self._open(log))
            stack.callback(lambda: self._background.run(self._models.close()))
            self._stack = stack.pop_all()
        return self

    async def _open(self, log: WorkLog) -> Models:
        return Models(self._config, log, self.name, self._say, on_ray=self._on_ray, jobs=self._jobs)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    def detail(self) -> str:
        """Return rates, cost and failures of this run in one line, and what limits the requests in flight."""
        bound = self._production.bound() if self._production else ""
        return ", ".join(part for part in (self._models.meter.line(), bound) if part)

    def write(self, passages: Iterable[Passage], missing: Callable[[], int]) -> Results:
        """Yield results in the order of the passages; see `QuestionWriter`.

        Closing the generator early, or an interrupt, waits for the requests in flight and stores their answers; a
        second interrupt drops them.

        Raises:
            SpendingStopped: a limit is reached; the results of stored answers are yielded first.
            EndpointError, WorkLogError: no more questions can be written; all answers so far are stored.
        """
        ready: SimpleQueue[list[PassageResults] | None] = SimpleQueue()
        production = Production(self._results, self._models.open_at_once, self._config.questions_per_call, missing)
        self._production = production
        run = self._background.begin(self._run(iter(passages), production, ready))
        run.add_done_callback(lambda _: ready.put(None))
        try:
            while (group := ready.get()) is not None:
                for results in group:
                    yield from results
                self._background.call(production.take, len(group))
            run.result()
        finally:
            self._production = None
            self._finish(run, production.stop)

    async def _run(
        self, passages: Iterator[Passage], production: Production, ready: SimpleQueue[list[PassageResults] | None]
    ) -> None:
        first = next(passages, None)
        if first is None:
            return
        self._pipeline = self._models.pipeline(await self._models.answer_format(first))
        group: list[PassageResults] = []

        def hand_over() -> None:
            ready.put(group.copy())
            group.clear()

        def deliver(results: PassageResults) -> None:
            if not group:
                self._background.loop.call_later(HAND_OVER_SECONDS, hand_over)
            group.append(results)

        try:
            await production.run(chain([first], passages), deliver)
        finally:
            if group:
                hand_over()

    async def _results(self, passage: Passage) -> PassageResults:
        return await self._pipeline.results(passage)

    def trials(self, passages: Sequence[Passage]) -> list[Trial]:
        """Write about a few passages, and return the results and the cost of each."""
        run = self._background.begin(self._trials(passages))
        try:
            return run.result()
        finally:
            self._finish(run, lambda: None)

    async def _trials(self, passages: Sequence[Passage]) -> list[Trial]:
        answer_format = await self._models.answer_format(passages[0])

        async def one(passage: Passage) -> Trial:
            written, judged = Usage(), Usage()
            return Trial(await self._models.pipeline(answer_format, written, judged).results(passage), written, judged)

        # finish all of them even if one fails: every request that was sent costs money
        outcomes = await asyncio.gather(*map(one, passages), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return [outcome for outcome in outcomes if isinstance(outcome, Trial)]

    def find_distracting(self, distractors: Sequence[Distractor]) -> list[bool]:
        """Return, per filler, True when the judge finds an answer to its question in it."""
        run = self._background.begin(self._find_distracting(distractors))
        try:
            return run.result()
        finally:
            self._finish(run, lambda: None)

    async def _find_distracting(self, distractors: Sequence[Distractor]) -> list[bool]:
        pipeline = self._models.pipeline("markers")  # any format will do: no questions are written here
        return await asyncio.gather(*map(pipeline.distracts, distractors))

    def _finish(self, run: Future[Any], stop: Callable[[], None]) -> None:
        """Stop sending requests and wait for those in flight."""
        if run.done():
            return
        cause = sys.exc_info()[1]
        try:
            self._background.call(stop)
            self._background.call(self._models.stop)
            # raised here, or by the consumer of the results, which closes the generator
            if isinstance(cause, KeyboardInterrupt) or (cause and isinstance(cause.__context__, KeyboardInterrupt)):
                self._say(self._models.stopping)
            with suppress(RunStopped, SpendingStopped):  # the consumer has enough, or the cause says more
                run.result()
        except KeyboardInterrupt:
            self._background.call(run.cancel)
            raise
        self._background.call(self._models.resume)


def _prompts_name(config: QuestionsConfig) -> str:
    own = [config.prompts.fine_grained, config.prompts.integration]
    if own == [None, None]:
        return str(PROMPT_VERSION)
    return hashlib.sha256(repr(own).encode()).hexdigest()[:8]
