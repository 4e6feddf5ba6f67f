"""Answer each request once: from the work log if it has the answer, otherwise from the transport.

Invariants: an answer is durable before it is used; concurrent callers with the same request share one call, so that no
request is ever in flight twice.
"""

import asyncio
from collections import defaultdict

from in2_plugin.config import Prices
from in2_plugin.llm.budget import Budget, Spending, most_cost
from in2_plugin.llm.request import Completion, Request, RequestFailed, Transport, Usage
from in2_plugin.llm.usage import price, with_known_usage
from in2_plugin.llm.work_log import WorkLog


class Caller:
    """Answers requests through one transport. `ask` is an `Ask`."""

    def __init__(
        self, log: WorkLog, transport: Transport, budget: Budget | None = None, prices: Prices | None = None
    ) -> None:
        """Ask through `transport`, as far as `budget` allows; several callers may share one."""
        self._log, self._transport, self._prices = log, transport, prices
        self._budget = budget or Budget(None, None, Spending())
        self._in_flight: dict[bytes, asyncio.Task[Completion]] = {}
        self.used: defaultdict[str, Usage] = defaultdict(Usage)
        """Answers by purpose, including those from the log."""
        self.paid: defaultdict[str, Usage] = defaultdict(Usage)
        """Answers by purpose that came from the transport."""

    async def ask(self, request: Request) -> Completion:
        """Answer a request.

        Raises:
            RequestFailed: it has failed for good; the failure is recorded in the log.
            RunStopped: the run is being stopped.
            EndpointError: no request can be answered any more.
            SpendingStopped: the call would exceed a limit.
            WorkLogError: the answer could not be stored.
        """
        if found := self._log.get(request.key):
            found = with_known_usage(request, found)
            self.used[request.purpose].add(found)
            return found
        shared = self._in_flight.get(request.key)
        if shared is None:
            shared = asyncio.get_running_loop().create_task(self._call(request))
            self._in_flight[request.key] = shared
            shared.add_done_callback(lambda _: self._in_flight.pop(request.key))
        # shielded: another pipeline may wait for the same answer
        answer = await asyncio.shield(shared)
        self.used[request.purpose].add(answer)
        return answer

    async def _call(self, request: Request) -> Completion:
        self._log.require_room()
        async with self._budget.call(most_cost(request, self._prices)) as pay:
            try:
                answer = with_known_usage(request, await self._transport.answer(request))
            except RequestFailed as failure:
                self._log.put_failure(request, str(failure))
                raise
            pay(price(Usage(1, answer.input_tokens, answer.output_tokens), self._prices) if self._prices else 0.0)
        await self._log.put(request, answer)
        self.paid[request.purpose].add(answer)
        return answer
