"""How the last hundred of something ended, and whether too many of them ended badly.

One rule for the requests of a run and for the attempts at one address. Invariant: fewer than twenty prove nothing.
"""

from collections import Counter, deque

REMEMBERED = 100
"""Those over which the share of failures is taken."""
LEAST_REMEMBERED = 20


class Outcomes:
    """The last hundred, the oldest forgotten first."""

    def __init__(self, most: float) -> None:
        """Bear up to this share of failures."""
        self._most = most
        self._ended: deque[str | None] = deque(maxlen=REMEMBERED)

    def add(self, reason: str | None, what: str = "requests") -> str | None:
        """Note why one failed, or None when it did not; returns what to say if that is one too many."""
        self._ended.append(reason)
        reasons = Counter(outcome for outcome in self._ended if outcome)
        failed, of = reasons.total(), len(self._ended)
        if not reason or of < LEAST_REMEMBERED or failed <= self._most * of:
            return None
        often = "; ".join(f"{reason} ({count} times)" for reason, count in reasons.most_common(3))
        return f"{failed} of the last {of} {what} failed, most often: {often}"

    def forget(self) -> None:
        """Begin anew."""
        self._ended.clear()
