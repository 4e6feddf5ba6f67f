"""Transports that are played, for tests of what stands above them."""

import asyncio

from in2_plugin.llm.request import Completion, Request, RequestFailed


class Counting:
    """A transport that answers with the prompt in capitals, and counts."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.failing = False

    async def answer(self, request: Request) -> Completion:
        self.sent.append(request.prompt)
        await asyncio.sleep(0)
        if self.failing:
            raise RequestFailed("server error")
        return Completion(request.prompt.upper(), "stop", 1, 1)

    def stop(self) -> None: ...
    def resume(self) -> None: ...
    def traffic(self) -> str: ...
    async def close(self) -> None: ...
