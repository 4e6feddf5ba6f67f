"""One server of a pool: how much room it has, and whether it is fit to be asked.

It is left out when it cannot be reached, errs too often, or refuses the key or the model; it rests for 5 s, then up to
5 min, is tried with the next request that waits, and is up again when it answers. Invariant: an address that is out is
sent one request at a time, and none while it rests.
"""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import EndpointError
from in2_plugin.llm.endpoint.client import FIRST_ATTEMPTS, LiveEndpoint
from in2_plugin.llm.endpoint.concurrency import Patience
from in2_plugin.llm.endpoint.error_rate import LEAST_REMEMBERED, Outcomes
from in2_plugin.llm.endpoint.errors import Refused, Throttled, Transient
from in2_plugin.llm.request import CallFailed

Say = Callable[[str], None]
"""Shows a line to the user."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One sending of one request."""

    sent: float
    is_probe: bool
    """Whether the address was out, and is tried again with this."""


class Address:
    """One server. What `answered`, `failed` and the like are told decides whether it is up."""

    def __init__(self, config: EndpointConfig, rng: random.Random, patience: Patience, say: Say) -> None:
        """Prepare the connection; nothing is sent yet. Raises like `LiveEndpoint`."""
        self.url, self._patience, self._say = config.address, patience, say
        self.live = LiveEndpoint(config, rng, patience)
        self.is_up = True
        self.summary = self.reason = ""
        """Why it is down, in a few words and in full."""
        self._bears = min(FIRST_ATTEMPTS, config.attempts)
        self._attempts = Outcomes(config.max_error_rate)
        self._broken = self._falls = self._good = 0
        self._is_final = self._is_probed = False
        self._rests_until = 0.0
        self._up_since = 0.0
        """Time before which what was sent says nothing: servers that come back leave old connections hanging."""

    @property
    def load(self) -> float:
        """Share of what it bears that is under way. Nothing waits at an address: those who wait are the pool's."""
        return self.live.gate.under_way / self.live.gate.pacing.limit

    @property
    def is_free(self) -> bool:
        """Whether it may be sent a request now."""
        is_due = self.is_up or (not self._is_probed and time.monotonic() >= self._rests_until)
        return is_due and self.live.gate.has_room()

    @property
    def is_lost(self) -> bool:
        """Whether a run that has nothing else should end rather than wait for it."""
        return not self.is_up and not self._is_probed and (self._is_final or self._falls > self._patience.rests)

    def wakes_in(self) -> float | None:
        """Seconds until it may be free; None when that is now, or time alone does not bring it about."""
        if self._is_probed:
            return None
        at = max(self.live.gate.pacing.opens_at, 0.0 if self.is_up else self._rests_until)
        seconds = at - time.monotonic()
        return seconds if seconds > 0 else None

    def enter(self) -> Visit:
        """Begin to send a request; each is followed by `leave`."""
        self._is_probed = not self.is_up
        return Visit(self.live.gate.take(), self._is_probed)

    def leave(self, visit: Visit) -> None:
        """The request is answered, or not."""
        self.live.gate.leave()
        if visit.is_probe:
            self._is_probed = False

    def answered(self, visit: Visit) -> None:
        """Note an answer."""
        self.live.gate.pacing.good(self.live.gate.under_way)
        self._attempts.add(None)
        self._good += 1
        if self.is_up and self._good >= LEAST_REMEMBERED:
            self._falls = 0
        self._is_alive(visit)

    def refused(self, visit: Visit, refusal: CallFailed) -> None:
        """Note a request that is wrong in itself; who says so is there."""
        if isinstance(refusal, Refused):
            self._is_alive(visit)

    def throttled(self, visit: Visit, throttled: Throttled) -> None:
        """Note a 429, for which this address alone is spared a while."""
        try:
            self.live.slow_down(visit.sent, throttled)
        except EndpointError as error:
            self.lost(visit, error, throttled.retry_after or 0.0)
        else:
            self._is_alive(visit)

    def lost(self, visit: Visit, error: EndpointError, at_least: float = 0.0) -> None:
        """Note that no request gets an answer here: wrong key, wrong model, no money; `at_least` is in seconds."""
        reason = str(error).removeprefix(f"{self.url}: ").split("; ")[0]
        self._fall(visit, reason, is_final=True, at_least=at_least)

    def failed(self, visit: Visit, trouble: Transient, is_last: bool) -> bool:
        """Note a failed attempt; `is_last` says that no other address is up.

        Returns whether it counts as an attempt of the request, as what an address that is out fails at does not.
        """
        self.live.ease(visit.sent, trouble)
        if self._is_old(visit):
            return False
        self._broken = self._broken + 1 if trouble.is_broken else 0
        if visit.is_probe or self._broken >= self._bears:
            what = "cannot be reached" if trouble.is_broken else "does not answer"
            self._fall(visit, f"{what} ({trouble.reason})", is_final=not self.live.heard)
        elif (said := self._attempts.add(trouble.reason, "attempts")) and not is_last:
            self._fall(visit, f"fails too often ({said})", is_final=False)
        return self.is_up and not trouble.is_unreachable

    def _is_alive(self, visit: Visit) -> None:
        self._broken = 0
        if visit.is_probe and not self.is_up:
            self.is_up = True
            self._up_since = time.monotonic()
            self._good = 0
            self._attempts.forget()
            self._say(f"{self.url} answers again")

    def _is_old(self, visit: Visit) -> bool:
        return not visit.is_probe and (not self.is_up or visit.sent < self._up_since)

    def _fall(self, visit: Visit, reason: str, *, is_final: bool, at_least: float = 0.0) -> None:
        if self._is_old(visit):
            return
        was_up, self.is_up, self._is_final = self.is_up, False, is_final
        self.reason, self.summary = reason, re.split(r" \(", reason)[0]
        self._falls += 1
        self._rests_until = time.monotonic() + max(self._patience.resting(self._falls), at_least)
        if was_up:
            self._say(f"{self.url} {reason}: it is left out, and tried again from time to time")
