"""Limits of paid calls and of money, over all runs on one dataset folder.

Invariant: the calls that are paid and those in flight together never exceed a limit. A call in flight counts with an
upper bound of its cost; when that does not fit, the next call waits for those in flight, and the run ends only when
none is left. So concurrency falls near a limit instead of passing it. Answers from the work log cost nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from in2_plugin.config import Prices
from in2_plugin.errors import SpendingStopped
from in2_plugin.llm.request import Request, Usage
from in2_plugin.llm.usage import price

BYTES_PER_TOKEN = 2
"""UTF-8 bytes per token of a prompt, for an upper bound: half of what texts usually have."""
OUTPUT_TOKENS = 4_096
"""Assumed bound of an answer when the parameters do not limit it."""
LIMITS = "max_tokens", "max_completion_tokens"


@dataclass(slots=True)
class Spending:
    """Calls that were paid, and what they cost."""

    calls: int = 0
    cost: float = 0.0


class Budget:
    """Counts calls against the limits. Belongs to one event loop."""

    def __init__(
        self, max_calls: int | None, max_cost: float | None, spent: Spending, currency: str = "", *, waits: bool = True
    ) -> None:
        """Start from what earlier runs have `spent`.

        `waits` is False where a call in flight may take a day: a call that does not fit then ends the run at once.
        """
        self._max_calls, self._max_cost, self._currency, self._waits = max_calls, max_cost, currency, waits
        self.spent = spent
        self._in_flight = Spending()
        self._settled = asyncio.Event()

    @asynccontextmanager
    async def call(self, bound: float) -> AsyncIterator[Callable[[float], None]]:
        """Reserve a call that costs at most `bound`; the context yields a function that takes the real cost.

        A call whose cost is not given is not counted: it failed.

        Raises:
            SpendingStopped: the call would exceed a limit.
        """
        while not self._fits(bound):
            if not (self._in_flight.calls and self._waits):
                raise SpendingStopped(self._message())
            await self._settled.wait()
        self._in_flight.calls += 1
        self._in_flight.cost += bound
        try:
            yield self._pay
        finally:
            self._in_flight.calls -= 1
            self._in_flight.cost -= bound
            # wakes all that wait; they check again, and wait for a new event
            self._settled.set()
            self._settled = asyncio.Event()

    def _pay(self, cost: float) -> None:
        self.spent.calls += 1
        self.spent.cost += cost

    def _fits(self, bound: float) -> bool:
        cost = self.spent.cost + self._in_flight.cost + bound
        return self._allows_a_call() and (self._max_cost is None or cost <= self._max_cost)

    def _allows_a_call(self) -> bool:
        return self._max_calls is None or self.spent.calls + self._in_flight.calls < self._max_calls

    def _message(self) -> str:
        calls, cost = f"{self.spent.calls:,} calls", f"{self.spent.cost:,.2f} {self._currency}"
        reached = f"`questions.max_cost: {self._max_cost}` leaves too little for the next call ({cost} paid)"
        if not self._allows_a_call():
            reached = f"`questions.max_calls: {self._max_calls}` is reached ({calls} paid)"
        return f"{reached}; everything is kept. Set a higher limit and run again to go on"


def most_cost(request: Request, prices: Prices | None) -> float:
    """Return an upper bound of the cost of a call: 0 without prices."""
    if prices is None:
        return 0.0
    limits = (request.parameters.get(name) for name in LIMITS)
    output = next((limit for limit in limits if isinstance(limit, int)), OUTPUT_TOKENS)
    input_tokens = len(request.prompt.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN
    return price(Usage(1, input_tokens, output), prices)
