"""Ask a judge about many answers: from the work logs where they have its answer, otherwise from the endpoint.

Invariants: every answer is durable before it counts, so that a stop at any moment loses at most the requests in flight;
calls and money stay within the limits, over all runs on these folders; a judge whose answers cannot be used is not
asked further. The main thread waits while requests run on an event loop in a background thread.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from in2_plugin import layout
from in2_plugin.config import EndpointConfig
from in2_plugin.errors import ConfigError, SpendingStopped
from in2_plugin.io.lock import folder_lock
from in2_plugin.llm.budget import Budget, Spending
from in2_plugin.llm.caller import Caller
from in2_plugin.llm.endpoint.client import LiveEndpoint
from in2_plugin.llm.meter import Meter, PricedModel, total
from in2_plugin.llm.request import Completion, Request, RequestFailed, RunStopped, Usage
from in2_plugin.llm.usage import estimated_tokens, price
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.probing.judging.verdict import NoVerdict, verdict_of
from in2_plugin.questions.judge_cost import VERDICT_TOKENS
from in2_plugin.questions.model.background import BackgroundLoop
from in2_plugin.questions.yield_check import CONFIDENCE, WINDOW, upper_limit

MIN_READABLE = 0.5
"""Smallest share of the judge's answers that must be a verdict; seven unreadable ones in a row end the run."""
SENTENCES = "`{} {{}}` is reached", "`{} {{}}` leaves too little for the next call"
COPY = "judge, paid in another folder"
"""Purpose of an answer that was stored in several folders and paid in one of the others."""
Outcome = bool | str
"""The verdict, or why there is none."""
Requests = Sequence[tuple[Path, Request]]
"""Each with a folder whose work log stores its answer."""
OnOutcome = Callable[[bytes, Outcome], None]


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """The judge, and what it may cost over all runs on the same folders."""

    endpoint: EndpointConfig
    max_calls: int | None = None
    max_cost: float | None = None
    """In the currency of the endpoint's prices."""
    whole_prompts: bool = True
    """No verdict counts that a server gives without reading the whole prompt, by its own token counts."""
    limits: tuple[str, str] = ("--max-calls", "--max-cost")
    """Where the user has set the limits, for messages."""

    def __post_init__(self) -> None:
        if self.max_cost is not None and self.endpoint.prices is None:
            raise ConfigError("`--max-cost` needs `--prices`; give them, or set `--max-calls` instead")


class JudgeSession:
    """Asks one judge about answers in several folders, each with its own work log; a context manager."""

    def __init__(self, config: JudgeConfig, folders: Sequence[Path], say: Callable[[str], None]) -> None:
        """`say` shows the user one line."""
        self._config, self._folders, self._say = config, list(folders), say
        self._readable = _ReadableCheck()

    def __enter__(self) -> Self:
        """Lock the folders and open their logs; nothing is sent yet.

        Raises:
            FolderLocked: another process judges answers in one of the folders.
            ConfigError: a folder cannot be written, the API key is missing, or the URL is invalid.
            MissingExtra: the endpoint's SDK is not installed.
            WorkLogError: a log cannot be opened.
        """
        with ExitStack() as stack:
            self._logs: dict[Path, WorkLog] = {}
            for folder in self._folders:
                stack.enter_context(folder_lock(folder, name=layout.JUDGE_LOCK))
                self._logs[folder] = WorkLog(folder / layout.JUDGE_LOG)
                stack.callback(self._logs[folder].close)
            self._background = stack.enter_context(BackgroundLoop())
            self._background.run(self._open())
            stack.callback(lambda: self._background.run(self._close()))
            self._stack = stack.pop_all()
        return self

    async def _open(self) -> None:
        endpoint = self._config.endpoint
        if len(endpoint.addresses) > 1:
            from in2_plugin.llm.endpoint.pool import EndpointPool

            self._transport: LiveEndpoint | EndpointPool = EndpointPool(endpoint, random.Random(), notify=self._say)
        else:
            self._transport = LiveEndpoint(endpoint, random.Random())
        totals = (item for log in self._logs.values() for item in log.totals().items())
        used = total(use for purpose, use in totals if purpose != COPY)
        spent = Spending(used.answers, self._price(used))
        currency = endpoint.prices.currency if endpoint.prices else ""
        calls, cost = (text.format(name) for text, name in zip(SENTENCES, self._config.limits, strict=True))
        budget = Budget(self._config.max_calls, self._config.max_cost, spent, currency, sentences=(calls, cost))
        self._callers = {
            folder: Caller(log, self._transport, budget, endpoint.prices) for folder, log in self._logs.items()
        }
        last = list(self._callers.values())[-1]
        self._meter = Meter(
            [  # all callers share one transport, whose traffic is shown once
                PricedModel(caller, endpoint.prices, self._transport.traffic if caller is last else str)
                for caller in self._callers.values()
            ]
        )

    async def _close(self) -> None:
        await self._transport.close()
        for log in self._logs.values():
            await log.flush()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    def _price(self, usage: Usage) -> float:
        prices = self._config.endpoint.prices
        return price(usage, prices) if prices else 0.0

    @property
    def paid(self) -> Usage:
        """Return the answers that this session got from the endpoint."""
        return total(use for caller in self._callers.values() for use in caller.paid.values())

    @property
    def cost(self) -> float:
        """Return what they cost, in the currency of the prices; 0 without prices."""
        return self._price(self.paid)

    def detail(self) -> str:
        """Return rates, cost and failures of this run in one line."""
        return self._meter.line()

    def expected(self, requests: Requests) -> str:
        """Return one line about the calls that are not stored yet, and their cost for verdicts of one word."""
        distinct = _distinct(requests)
        missing = [request for request, folders in distinct.values() if not self._having(request, folders)]
        tokens = sum(estimated_tokens(request.prompt) for request in missing)
        usage = Usage(len(missing), tokens, VERDICT_TOKENS * len(missing))
        prices = self._config.endpoint.prices
        money = f"{self._price(usage):,.2f} {prices.currency}" if prices else "price unknown (give --prices)"
        limits = {"--max-calls": self._config.max_calls, "--max-cost": self._config.max_cost}
        given = "".join(f", `{name} {limit}`" for name, limit in limits.items() if limit is not None)
        return (
            f"expected: {usage.answers:,} calls, about {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out, "
            f"{money}; more with thoughts ({len(distinct) - len(missing):,} answers stored{given})"
        )

    def judge(self, requests: Requests, on_outcome: OnOutcome) -> None:
        """Ask about each request once, and pass on every outcome with its key, in any order.

        An interrupt waits for the requests in flight and stores their answers; a second one drops them.

        Raises:
            SpendingStopped: a limit is reached, or too few of the judge's answers are verdicts.
            EndpointError, WorkLogError: no more requests can be made; all answers so far are stored.
        """
        run = self._background.begin(self._judge(requests, on_outcome))
        try:
            run.result()
        except KeyboardInterrupt:
            self._say("stopping: waiting for the answers under way (press Ctrl-C again to give them up)")
            self._background.call(self._transport.stop)
            try:
                with suppress(RunStopped):
                    run.result()
            except KeyboardInterrupt:
                self._background.call(run.cancel)
            raise

    async def _judge(self, requests: Requests, on_outcome: OnOutcome) -> None:
        distinct = _distinct(requests)
        left, endpoint = iter(distinct.values()), self._config.endpoint
        # twice the requests in flight, so that the transport never waits for one
        n = min(len(distinct), 2 * endpoint.concurrency.max * len(endpoint.addresses))
        workers = [asyncio.create_task(self._work(left, on_outcome)) for _ in range(n)]
        if not workers:
            return
        done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        if any(worker.exception() for worker in done):
            self._transport.stop()  # those in flight are paid for, and awaited
        failures = [failure for failure in await asyncio.gather(*workers, return_exceptions=True) if failure]
        for failure in sorted(failures, key=lambda failure: isinstance(failure, RunStopped)):
            raise failure

    async def _work(self, left: Iterator[tuple[Request, list[Path]]], on_outcome: OnOutcome) -> None:
        for request, folders in left:
            try:
                completion = await self._answer(request, folders)
            except RequestFailed as failure:
                on_outcome(request.key, f"no answer of the judge: {failure}")
                continue
            try:
                outcome: Outcome = verdict_of(completion, request.prompt, whole_prompts=self._config.whole_prompts)
            except NoVerdict as problem:
                outcome = str(problem)
            on_outcome(request.key, outcome)
            self._readable.record(outcome)

    async def _answer(self, request: Request, folders: Sequence[Path]) -> Completion:
        """Return the answer, after storing it in each of `folders`: any of them may be judged alone the next time."""
        having = self._having(request, folders)
        answer = await self._callers[(having or folders)[0]].ask(request)
        copied = replace(request, purpose=COPY)
        await asyncio.gather(
            *(self._logs[folder].put(copied, answer) for folder in folders if not self._logs[folder].get(request.key))
        )
        return answer

    def _having(self, request: Request, folders: Sequence[Path]) -> list[Path]:
        return [folder for folder in folders if self._logs[folder].get(request.key)]


class _ReadableCheck:
    """Ends a run whose judge gives too few verdicts, before it pays for more; a trainer asks about a few at a time."""

    def __init__(self) -> None:
        self._outcomes: deque[Outcome] = deque(maxlen=WINDOW)

    def record(self, outcome: Outcome) -> None:
        """Count the outcome of one answer of the judge.

        Raises:
            SpendingStopped: too few of the last answers are verdicts.
        """
        self._outcomes.append(outcome)
        verdicts, answers = sum(isinstance(one, bool) for one in self._outcomes), len(self._outcomes)
        if isinstance(outcome, str) and upper_limit(verdicts, answers) < MIN_READABLE:
            raise SpendingStopped(
                f"{verdicts:,} of the last {answers:,} answers of the judge are verdicts, with {CONFIDENCE:.0%} "
                f"confidence less than {MIN_READABLE:.0%}, so the run stops before it pays for more. The last: "
                f"{outcome}. Everything is kept: choose another judge, or other `--parameters`"
            )


def _distinct(requests: Requests) -> dict[bytes, tuple[Request, list[Path]]]:
    """Return each request once, by its key, with the folders that ask it."""
    found: dict[bytes, tuple[Request, list[Path]]] = {}
    for folder, request in requests:
        _, folders = found.setdefault(request.key, (request, []))
        if folder not in folders:
            folders.append(folder)
    return found
