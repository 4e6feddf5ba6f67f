"""Ask once: from the work log if the answer is there, from the transport otherwise, durable before it is used.

Invariant: of all who ask the same request at the same time one calls and the others share its answer, so that no
request is ever under way twice.
"""

import asyncio
from collections import defaultdict

from in2_plugin.llm.request import Answer, CallFailed, Request, Transport, Use
from in2_plugin.llm.work_log import WorkLog


class Caller:
    """Answers requests through one transport. `ask` is an `Ask`."""

    def __init__(self, log: WorkLog, transport: Transport) -> None:
        self._log, self._transport = log, transport
        self._under_way: dict[bytes, asyncio.Task[Answer]] = {}
        self.used: defaultdict[str, Use] = defaultdict(Use)
        """Answers by purpose, those from the log included."""
        self.paid: defaultdict[str, Use] = defaultdict(Use)
        """Answers by purpose that came from the transport."""

    async def ask(self, request: Request) -> Answer:
        """Answer a request.

        Raises:
            CallFailed: it is given up; noted in the log.
            Stopping: the run is being stopped.
            EndpointError: no request can be answered any more.
            WorkLogError: the answer could not be stored.
        """
        if found := self._log.get(request.key):
            self.used[request.purpose].add(found)
            return found
        shared = self._under_way.get(request.key)
        if shared is None:
            shared = asyncio.get_running_loop().create_task(self._call(request))
            self._under_way[request.key] = shared
            shared.add_done_callback(lambda _: self._under_way.pop(request.key))
        # shielded, because another pipeline may wait for the same answer
        answer = await asyncio.shield(shared)
        self.used[request.purpose].add(answer)
        return answer

    async def _call(self, request: Request) -> Answer:
        self._log.require_room()
        try:
            answer = await self._transport.answer(request)
        except CallFailed as failure:
            self._log.put_failure(request, str(failure))
            raise
        await self._log.put(request, answer)
        self.paid[request.purpose].add(answer)
        return answer
