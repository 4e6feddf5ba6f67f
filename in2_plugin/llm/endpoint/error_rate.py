"""The share of failures among the last hundred outcomes, and the limit that it must not exceed.

One rule for the requests of a run and for the attempts at one server. Invariant: fewer than twenty prove nothing.
"""

from collections import Counter, deque

WINDOW = 100
"""Outcomes over which the share of failures is computed."""
MIN_OUTCOMES = 20


class ErrorRate:
    """A sliding window over the last hundred outcomes."""

    def __init__(self, limit: float) -> None:
        """Allow up to this share of failures."""
        self._limit = limit
        self._window: deque[str | None] = deque(maxlen=WINDOW)

    def record(self, reason: str | None, what: str = "requests") -> str | None:
        """Record the reason of a failure, or None for a success.

        Returns:
            The sentence that reports the error rate if this failure exceeds the limit, else None.
        """
        self._window.append(reason)
        reasons = Counter(outcome for outcome in self._window if outcome)
        failed, total = reasons.total(), len(self._window)
        if not reason or total < MIN_OUTCOMES or failed <= self._limit * total:
            return None
        often = "; ".join(f"{reason} ({count} times)" for reason, count in reasons.most_common(3))
        return f"{failed} of the last {total} {what} failed, most often: {often}"

    def reset(self) -> None:
        """Forget all outcomes."""
        self._window.clear()
