"""How the calls are getting on, as one line: rate, tokens, money, failures."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from in2_plugin.config import Prices
from in2_plugin.llm.caller import Caller
from in2_plugin.llm.request import Use

RECENT = 30.0
"""Seconds over which rates are taken."""


@dataclass(frozen=True, slots=True)
class Account:
    """One model that is asked, with what it charges."""

    caller: Caller
    prices: Prices | None
    traffic: Callable[[], str]
    """A few words of the transport on what is under way and what went wrong; may be empty."""


def total(uses: Iterable[Use]) -> Use:
    """The sum of what was counted apart."""
    summed = Use()
    for use in uses:
        summed.add(use)
    return summed


def price(use: Use, prices: Prices) -> float:
    """Money for these tokens, in `prices.currency`."""
    return (use.input_tokens * prices.input + use.output_tokens * prices.output) / 1e6


class Meter:
    """Reads the callers whenever it is asked; costs them nothing."""

    def __init__(self, accounts: Sequence[Account], clock: Callable[[], float] = time.monotonic) -> None:
        self._accounts, self._clock = accounts, clock
        self._history: deque[tuple[float, int, int]] = deque([(clock(), 0, 0)])

    def line(self) -> str:
        """Rates of the last half minute, and totals of this run."""
        paid = total(use for account in self._accounts for use in account.caller.paid.values())
        used = total(use for account in self._accounts for use in account.caller.used.values())
        replayed = used.answers - paid.answers
        parts = [self._rates(paid), *(account.traffic() for account in self._accounts), self._money()]
        if replayed > 0:
            parts.append(f"{replayed:,} from the work log")
        return ", ".join(part for part in parts if part)

    def _rates(self, paid: Use) -> str:
        now = self._clock()
        while len(self._history) > 1 and now - self._history[0][0] > RECENT:
            self._history.popleft()
        then, answers, tokens = self._history[0]
        self._history.append((now, paid.answers, paid.tokens))
        seconds = max(now - then, 1e-9)
        if paid.answers == answers:
            return "no answer yet" if not paid.answers else "0 requests/s"
        return f"{(paid.answers - answers) / seconds:,.1f} requests/s, {(paid.tokens - tokens) / seconds:,.0f} tokens/s"

    def _money(self) -> str:
        priced = [(account, account.prices) for account in self._accounts if account.prices]
        if not priced:
            return ""
        spent = sum(price(total(account.caller.paid.values()), prices) for account, prices in priced)
        return f"{spent:,.2f} {priced[0][1].currency}"
