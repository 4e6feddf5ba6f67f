"""The progress of the calls as one line: request rate, tokens, cost, failures."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from in2_plugin.config import Prices
from in2_plugin.llm.caller import Caller
from in2_plugin.llm.request import Usage
from in2_plugin.llm.usage import price

RECENT = 30.0
"""Seconds over which rates are computed."""


@dataclass(frozen=True, slots=True)
class PricedModel:
    """A model in use, with its prices."""

    caller: Caller
    prices: Prices | None
    traffic: Callable[[], str]
    """The transport's summary of requests in flight and failures; may be empty."""


def total(usages: Iterable[Usage]) -> Usage:
    """Return the sum of several usages."""
    summed = Usage()
    for usage in usages:
        summed.add(usage)
    return summed


class Meter:
    """Reads the counts of the callers when asked; costs nothing in between."""

    def __init__(self, models: Sequence[PricedModel], clock: Callable[[], float] = time.monotonic) -> None:
        self._models, self._clock = models, clock
        self._history: deque[tuple[float, int, int]] = deque([(clock(), 0, 0)])

    def line(self) -> str:
        """Return the rates of the last half minute and the totals of this run."""
        paid = total(use for model in self._models for use in model.caller.paid.values())
        used = total(use for model in self._models for use in model.caller.used.values())
        replayed = used.answers - paid.answers
        parts = [self._rates(paid), *(model.traffic() for model in self._models), self._money()]
        if replayed > 0:
            parts.append(f"{replayed:,} from the work log")
        return ", ".join(part for part in parts if part)

    def _rates(self, paid: Usage) -> str:
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
        priced = [(model, model.prices) for model in self._models if model.prices]
        if not priced:
            return ""
        usages = [(total(model.caller.paid.values()), prices) for model, prices in priced]
        spent = sum(price(usage, prices) for usage, prices in usages)
        about = "about " if any(usage.estimated for usage, _ in usages) else ""
        return f"{about}{spent:,.2f} {priced[0][1].currency}"
