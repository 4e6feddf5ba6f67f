"""One server of a pool: its free capacity, and its state as a circuit breaker.

A server leaves the pool when it is unreachable, fails too often, or rejects the key or the model. It cools down for
5 s, later for up to 5 min, is probed with the next request in the queue, and returns to the pool when it answers.
Invariant: a server that is down gets one request at a time, and none while it cools down.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from in2_plugin.config import EndpointConfig
from in2_plugin.errors import EndpointError
from in2_plugin.llm.endpoint.client import FIRST_ATTEMPTS, LiveEndpoint
from in2_plugin.llm.endpoint.concurrency import RetryPolicy
from in2_plugin.llm.endpoint.error_rate import MIN_OUTCOMES, ErrorRate
from in2_plugin.llm.endpoint.errors import RateLimited, RequestRejected, RetryableError
from in2_plugin.llm.request import RequestFailed

Notify = Callable[[str], None]
"""Shows a line to the user."""


@dataclass(frozen=True, slots=True)
class PoolAttempt:
    """One attempt at one request."""

    sent: float
    is_probe: bool
    """The server was down, and this attempt checks whether it is back."""


class PoolMember:
    """One server. The outcomes that are reported to it decide whether it is up."""

    def __init__(self, config: EndpointConfig, rng: random.Random, retry_policy: RetryPolicy, notify: Notify) -> None:
        """Prepare the connection; nothing is sent yet. Raises like `LiveEndpoint`."""
        self.url, self._retry_policy, self._notify = config.address, retry_policy, notify
        self.client = LiveEndpoint(config, rng, retry_policy)
        self.is_up = True
        self.summary = self.reason = ""
        """Why it is down, in a few words and in full."""
        self._max_broken = min(FIRST_ATTEMPTS, config.attempts)
        self._error_rate = ErrorRate(config.max_error_rate)
        self._broken_in_row = self._times_down = self._answers_since_up = 0
        self._is_permanent = self._is_probed = False
        self._cooldown_until = 0.0
        self._up_since = 0.0
        """Outcomes of requests sent before this time are ignored: a server that restarts leaves connections open."""

    @property
    def load(self) -> float:
        """Share of the limit that is in flight. Nothing waits at a server: the queue is the pool's."""
        return self.client.limiter.in_flight / self.client.limiter.limit.current

    @property
    def is_free(self) -> bool:
        """True if it may get a request now."""
        is_due = self.is_up or (not self._is_probed and time.monotonic() >= self._cooldown_until)
        return is_due and self.client.limiter.has_capacity()

    @property
    def is_lost(self) -> bool:
        """True if a run without any other server should end rather than wait for this one."""
        is_hopeless = self._is_permanent or self._times_down > self._retry_policy.max_cooldowns
        return not self.is_up and not self._is_probed and is_hopeless

    def seconds_until_free(self) -> float | None:
        """Return the seconds until it may be free; None if that is now, or does not depend on time alone."""
        if self._is_probed:
            return None
        at = max(self.client.limiter.limit.opens_at, 0.0 if self.is_up else self._cooldown_until)
        seconds = at - time.monotonic()
        return seconds if seconds > 0 else None

    def acquire(self) -> PoolAttempt:
        """Start an attempt; `release` must follow."""
        self._is_probed = not self.is_up
        return PoolAttempt(self.client.limiter.acquire_nowait(), self._is_probed)

    def release(self, attempt: PoolAttempt) -> None:
        """End an attempt, whatever came of it."""
        self.client.limiter.release()
        if attempt.is_probe:
            self._is_probed = False

    def on_success(self, attempt: PoolAttempt) -> None:
        """Record an answer."""
        self.client.limiter.limit.on_success(self.client.limiter.in_flight)
        self._error_rate.record(None)
        self._answers_since_up += 1
        if self.is_up and self._answers_since_up >= MIN_OUTCOMES:
            self._times_down = 0
        self._mark_responsive(attempt)

    def on_request_failed(self, attempt: PoolAttempt, failure: RequestFailed) -> None:
        """Record a request that is invalid itself; a server that rejects it is up."""
        if isinstance(failure, RequestRejected):
            self._mark_responsive(attempt)

    def on_rate_limited(self, attempt: PoolAttempt, rate_limited: RateLimited) -> None:
        """Record a 429, which slows down this server alone."""
        try:
            self.client.on_rate_limited(attempt.sent, rate_limited)
        except EndpointError as error:
            self.on_fatal_error(attempt, error, rate_limited.retry_after or 0.0)
        else:
            self._mark_responsive(attempt)

    def on_fatal_error(self, attempt: PoolAttempt, error: EndpointError, min_cooldown: float = 0.0) -> None:
        """Record that this server answers no request: wrong key, wrong model, no credit. `min_cooldown` is in s."""
        reason = str(error).removeprefix(f"{self.url}: ").split("; ")[0]
        self._take_down(attempt, reason, is_permanent=True, min_cooldown=min_cooldown)

    def on_retryable_error(self, attempt: PoolAttempt, error: RetryableError, is_last: bool) -> bool:
        """Record a failed attempt; `is_last` means that no other server is up.

        Returns:
            True if it counts as an attempt of the request. Failures of a server that is down do not.
        """
        self.client.on_retryable_error(attempt.sent, error)
        if self._is_outdated(attempt):
            return False
        self._broken_in_row = self._broken_in_row + 1 if error.is_broken else 0
        if attempt.is_probe or self._broken_in_row >= self._max_broken:
            what = "cannot be reached" if error.is_broken else "does not answer"
            self._take_down(attempt, f"{what} ({error.reason})", is_permanent=not self.client.has_responded)
        elif (rate := self._error_rate.record(error.reason, "attempts")) and not is_last:
            self._take_down(attempt, f"fails too often ({rate})", is_permanent=False)
        return self.is_up and not error.is_unreachable

    def _mark_responsive(self, attempt: PoolAttempt) -> None:
        self._broken_in_row = 0
        if attempt.is_probe and not self.is_up:
            self.is_up = True
            self._up_since = time.monotonic()
            self._answers_since_up = 0
            self._error_rate.reset()
            self._notify(f"{self.url} answers again")

    def _is_outdated(self, attempt: PoolAttempt) -> bool:
        return not attempt.is_probe and (not self.is_up or attempt.sent < self._up_since)

    def _take_down(self, attempt: PoolAttempt, reason: str, *, is_permanent: bool, min_cooldown: float = 0.0) -> None:
        if self._is_outdated(attempt):
            return
        was_up, self.is_up, self._is_permanent = self.is_up, False, is_permanent
        self.reason, self.summary = reason, reason.split(" (", maxsplit=1)[0]
        self._times_down += 1
        cooldown = self._retry_policy.cooldown_after(self._times_down)
        self._cooldown_until = time.monotonic() + max(cooldown, min_cooldown)
        if was_up:
            self._notify(f"{self.url} {reason}: left out of the pool, and probed from time to time")
