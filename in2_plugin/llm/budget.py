"""Limits of paid calls and of money, over all runs on one dataset folder.

Invariant: the calls that are paid and those in flight together never exceed a limit. A call in flight counts with an
upper bound of its cost; when that does not fit, the next call waits for those in flight, and is refused only when none
is left. So concurrency falls near a limit instead of passing it. After that all calls are refused, so that a limit
never favors short prompts. Answers from the work log cost nothing.
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
SENTENCES = "`questions.max_calls: {}` is reached", "`questions.max_cost: {}` leaves too little for the next call"


@dataclass(slots=True)
class Spending:
    """Calls that were paid, and what they cost."""

    calls: int = 0
    cost: float = 0.0


class Budget:
    """Counts calls against the limits. Belongs to one event loop."""

    def __init__(
        self,
        max_calls: int | None,
        max_cost: float | None,
        spent: Spending,
        currency: str = "",
        *,
        waits: bool = True,
        jobs: int = 1,
        shared: Spending | None = None,
        sentences: tuple[str, str] = SENTENCES,
    ) -> None:
        """Start from what earlier runs have `spent`.

        Args:
            max_calls: limit of the build file, for all jobs together; None for no limit. `max_cost` likewise.
            waits: False where a call in flight may take a day; a call that does not fit is then refused at once.
            jobs: number of array jobs that get equal parts of what is left of the limits.
            shared: what the build had spent before its jobs started; not part of `spent`.
            sentences: what is said of a limit of calls and of money, with `{}` for the limit.
        """
        shared = shared or Spending()
        self._max_calls, self._max_cost, self._currency, self._waits = max_calls, max_cost, currency, waits
        self._calls = None if max_calls is None else max(0, max_calls - shared.calls) // jobs
        self._cost = None if max_cost is None else max(0.0, max_cost - shared.cost) / jobs
        self._jobs, self.spent, self._sentences = jobs, spent, sentences
        self._in_flight = Spending()
        self._is_reached = False
        self._settled = asyncio.Event()

    @asynccontextmanager
    async def call(self, bound: float) -> AsyncIterator[Callable[[float], None]]:
        """Reserve a call that costs at most `bound`; the context yields a function that takes the real cost.

        A call whose cost is not given is not counted: it failed.

        Raises:
            SpendingStopped: the call would exceed a limit.
        """
        while self._is_reached or not self._fits(bound):
            self._is_reached = self._is_reached or not self._in_flight.calls
            if self._is_reached or not self._waits:
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
        return self._allows_a_call() and (self._cost is None or cost <= self._cost)

    def _allows_a_call(self) -> bool:
        return self._calls is None or self.spent.calls + self._in_flight.calls < self._calls

    def _message(self) -> str:
        calls, cost = f"{self.spent.calls:,} calls", f"{self.spent.cost:,.2f} {self._currency}"
        of_calls, of_cost = self._sentences
        reached = f"{of_cost.format(self._max_cost)} ({cost} paid)"
        if not self._allows_a_call():
            reached = f"{of_calls.format(self._max_calls)} ({calls} paid)"
        if self._jobs > 1:
            reached = f"{reached}: this job may use 1/{self._jobs} of what was left"
        return f"{reached}; everything is kept. Set a higher limit and run again to go on"


def most_cost(request: Request, prices: Prices | None) -> float:
    """Return an upper bound of the cost of a call: 0 without prices."""
    if prices is None:
        return 0.0
    limits = (request.parameters.get(name) for name in LIMITS)
    output = next((limit for limit in limits if isinstance(limit, int)), OUTPUT_TOKENS)
    input_tokens = len(request.prompt.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN
    return price(Usage(1, input_tokens, output), prices)
