"""The writer that asks a language model: many passages at once in a thread of its own, results in order.

Invariant: an answer is in the work log before anything is made of it, so that stopping at any moment loses at most what
is under way. The build's own thread takes results one by one; the calls run on an event loop beside it.
"""

import asyncio
import gc
import hashlib
import random
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

from in2_plugin.calls.caller import Caller
from in2_plugin.calls.meter import Account, Meter
from in2_plugin.calls.request import Answer, Ask, CallFailed, Request, Transport, Use
from in2_plugin.calls.work_log import WorkLog
from in2_plugin.config import EndpointConfig, QuestionsConfig, VllmConfig
from in2_plugin.errors import EndpointError
from in2_plugin.questions.pipeline import AnswerFormat, Pipeline, Speaker
from in2_plugin.questions.production import PassageResults, Production
from in2_plugin.questions.prompts import PROMPT_VERSION
from in2_plugin.questions.question import Passage
from in2_plugin.questions.question import Results as Written

HAND_OVER_SECONDS = 0.02
"""Time in which results are gathered for the thread that takes them."""
RARE_COLLECTIONS = (50_000, 20, 50)
"""Thresholds of the garbage collector while calls are made. Requests are freed by their reference counts; looking for
cycles among them at Python's own thresholds takes a fifth of the CPU."""
OPEN_BATCHES = 8
"""Batches whose passages are worked on at a time. A batch takes up to a day; a passage that waits takes about 8 KB."""
FORMAT_REFUSED = {400, 415, 422, 501}
"""What servers answer to a response format that they do not know."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one passage, and what it cost, whether or not it was paid for before."""

    results: PassageResults
    writer: Use
    judge: Use


class ModelWriter:
    """A `QuestionWriter` over an endpoint or offline vLLM; a context manager."""

    def __init__(self, config: QuestionsConfig, log: Path, say: Callable[[str], None]) -> None:
        """Prepare a writer whose answers go into the work log at `log`; `say` shows a line to the user."""
        self._config, self._path, self._say = config, log, say
        self._endpoint: EndpointConfig | VllmConfig | None = getattr(config, config.writer)
        assert self._endpoint, "the configuration has checked this"
        self.name = f"{config.writer}:{self._endpoint.model}/prompts-{_prompts_name(config)}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model-writer", daemon=True)
        self._transports: dict[str, Transport] = {}

    def __enter__(self) -> Self:
        self._collector = gc.get_threshold()
        gc.freeze()
        gc.set_threshold(*RARE_COLLECTIONS)
        self._thread.start()
        with ExitStack() as undo:
            undo.callback(self._stop_loop)
            self._log = WorkLog(self._path)
            undo.callback(self._log.close)
            self._in_loop(self._open())
            undo.pop_all()
        return self

    async def _open(self) -> None:
        config, judge = self._endpoint, self._config.verify.judge
        assert config
        self._transports["writer"] = make_transport(config, self._log)
        if judge:
            self._transports["judge"] = make_transport(judge, self._log)
        self.callers = {who: Caller(self._log, transport) for who, transport in self._transports.items()}
        configs = {"writer": config, "judge": judge}
        self._meter = Meter(
            [
                Account(caller, getattr(configs[who], "prices", None), self._transports[who].traffic)
                for who, caller in self.callers.items()
            ]
        )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            self._in_loop(self._close())
        finally:
            self._stop_loop()
            self._log.close()

    async def _close(self) -> None:
        leftover = asyncio.all_tasks() - {asyncio.current_task()}
        for transport in self._transports.values():
            await transport.close()
        await self._log.settled()
        for task in leftover:
            task.cancel()
        await asyncio.gather(*leftover, return_exceptions=True)

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        gc.set_threshold(*self._collector)
        gc.unfreeze()

    def _in_loop(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def detail(self) -> str:
        """Rates, money and failures of this run."""
        return self._meter.line()

    def write(self, passages: Iterable[Passage], missing: Callable[[], int]) -> Written:
        """PassageResults in the order of the passages; see `QuestionWriter`.

        Closing the iterator early, or an interrupt, waits for the answers that are under way and stores them; a second
        interrupt gives them up.

        Raises:
            EndpointError, WorkLogError: no more questions can be written now; all answers so far are stored.
        """
        ready: SimpleQueue[list[PassageResults] | None] = SimpleQueue()
        config, endpoint = self._config, self._endpoint
        production = Production(self._results, open_at_once(endpoint), config.questions_per_call, missing)
        run = asyncio.run_coroutine_threadsafe(self._run(iter(passages), production, ready), self._loop)
        run.add_done_callback(lambda _: ready.put(None))
        try:
            while (group := ready.get()) is not None:
                for results in group:
                    yield from results
                self._loop.call_soon_threadsafe(production.take, len(group))
            run.result()
        finally:
            self._finish(run, production)

    async def _run(
        self, passages: Iterator[Passage], production: Production, ready: SimpleQueue[list[PassageResults] | None]
    ) -> None:
        first = next(passages, None)
        if first is None:
            return
        self._pipeline = self._pipeline_for(await self._answer_format(first))
        group: list[PassageResults] = []

        def hand_over() -> None:
            ready.put(group.copy())
            group.clear()

        def deliver(results: PassageResults) -> None:
            if not group:
                # a thread that is woken for each result takes the interpreter from the one that sends: a fifth of
                # the throughput at 256 connections
                self._loop.call_later(HAND_OVER_SECONDS, hand_over)
            group.append(results)

        try:
            await production.run(chain([first], passages), deliver)
        finally:
            if group:
                hand_over()

    def trials(self, passages: Sequence[Passage]) -> list[Trial]:
        """Work on each of a few passages, and tell what each costs."""
        trials: list[Trial] = self._in_loop(self._trials(passages))
        return trials

    async def _trials(self, passages: Sequence[Passage]) -> list[Trial]:
        answer_format = await self._answer_format(passages[0])

        async def one(passage: Passage) -> Trial:
            writer, judge = Use(), Use()
            return Trial(await self._pipeline_for(answer_format, writer, judge).results(passage), writer, judge)

        return await asyncio.gather(*map(one, passages))

    async def _results(self, passage: Passage) -> PassageResults:
        return await self._pipeline.results(passage)

    def _finish(self, run: Future[None], production: Production) -> None:
        """Stop asking and wait for what is under way."""
        if run.done():
            return
        cause = sys.exc_info()[1]
        try:
            self._loop.call_soon_threadsafe(self._stop_asking, production)
            # raised here, or where the results are taken, which closes the generator
            if isinstance(cause, KeyboardInterrupt) or (cause and isinstance(cause.__context__, KeyboardInterrupt)):
                self._say(_stopping(self._endpoint))
            run.result()
        except KeyboardInterrupt:
            self._loop.call_soon_threadsafe(production.cancel)
            raise
        for transport in self._transports.values():
            self._loop.call_soon_threadsafe(transport.resume)

    def _stop_asking(self, production: Production) -> None:
        production.stop()
        for transport in self._transports.values():
            transport.stop()

    def _pipeline_for(
        self, answer_format: AnswerFormat, writer_use: Use | None = None, judge_use: Use | None = None
    ) -> Pipeline:
        """A pipeline for answers of this format, which adds what it uses to the two counts."""
        assert self._endpoint
        ask = _counted(self.callers["writer"].ask, writer_use)
        writer = Speaker(ask, self._endpoint.model, _parameters(self._endpoint))
        judge_config = self._config.verify.judge or self._endpoint
        # a verdict is not a matter of chance
        cool = {"temperature": 0} if "temperature" in judge_config.parameters else {}
        ask = _counted(self.callers.get("judge", self.callers["writer"]).ask, judge_use)
        judge = Speaker(ask, judge_config.model, {**_parameters(judge_config), **cool})
        return Pipeline(self._config, writer, judge, answer_format, self.name)

    async def _answer_format(self, first: Passage) -> AnswerFormat:
        """The format that is set, was settled before, or is settled now by asking about the first passage."""
        config = self._endpoint
        assert config
        if config.answer_format != "auto":
            return config.answer_format
        fact = f"answer_format {config.model}"
        if settled := self._log.fact(fact):
            return "json_schema" if settled == "json_schema" else "markers"
        if config.mode == "batch":
            return "json_schema"  # a question to a batch takes up to a day
        found = await self._first_accepted(first, config)
        self._log.set_fact(fact, found)
        return found

    async def _first_accepted(self, first: Passage, config: EndpointConfig) -> AnswerFormat:
        ask = self.callers["writer"].ask
        try:
            await ask(self._pipeline_for("json_schema").request(first))
            return "json_schema"
        except CallFailed as refusal:
            if getattr(refusal, "status", None) not in FORMAT_REFUSED:
                raise EndpointError(_first_failed(config, str(refusal))) from None
            refused = str(refusal)
        try:
            await ask(self._pipeline_for("markers").request(first))
            return "markers"
        except CallFailed as again:
            reasons = f"with a JSON schema: {refused}; without one: {again}"
            raise EndpointError(_first_failed(config, reasons)) from None


def make_transport(config: EndpointConfig | VllmConfig, log: WorkLog) -> Transport:
    """The transport that a section of the build file asks for.

    Raises:
        MissingExtra: what it needs is not installed.
        ConfigError, EndpointError: the key is missing.
    """
    if isinstance(config, VllmConfig):
        from in2_plugin.calls.vllm import OfflineVllm

        return OfflineVllm(config)
    if config.mode == "batch":
        from in2_plugin.calls.batch import BatchEndpoint

        return BatchEndpoint(config, log)
    from in2_plugin.calls.endpoint import LiveEndpoint

    return LiveEndpoint(config, random.Random())


def _stopping(config: EndpointConfig | VllmConfig | None) -> str:
    if isinstance(config, EndpointConfig) and config.mode == "batch":
        return "stopping: open batches stay with the server; the next run collects them"
    return "stopping: waiting for the answers under way (press Ctrl-C again to give them up)"


def _counted(ask: Ask, use: Use | None) -> Ask:
    if use is None:
        return ask

    async def counted(request: Request) -> Answer:
        answer = await ask(request)
        use.add(answer)
        return answer

    return counted


def open_at_once(config: EndpointConfig | VllmConfig | None) -> int:
    """Passages to work on at a time, so that the transport never waits for one."""
    assert config
    if isinstance(config, VllmConfig):
        return 2 * config.batch_requests
    if config.mode == "batch":
        return OPEN_BATCHES * config.batch_requests
    return 2 * config.concurrency.max


def _parameters(config: EndpointConfig | VllmConfig) -> dict[str, Any]:
    return {**config.parameters, **getattr(config, "extra_body", {})}


def _prompts_name(config: QuestionsConfig) -> str:
    own = [config.prompts.fine_grained, config.prompts.integration]
    if own == [None, None]:
        return str(PROMPT_VERSION)
    return hashlib.sha256(repr(own).encode()).hexdigest()[:8]


def _first_failed(config: EndpointConfig, reason: str) -> str:
    return (
        f"{config.base_url}: did not answer the first request to {config.model} ({reason}); "
        "correct `questions.endpoint` and run again"
    )
