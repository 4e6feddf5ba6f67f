"""Find passages in the documents of a segment store, ignoring case and white space.

A passage must be in exactly one segment, or twice in the same one. Invariant: the result for a passage does not depend
on the others. Cost: one search of each document per passage, about 1 GB of text per second; the exact text is searched
only where a passage is found. Memory: one document, and two places per passage.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from in2_plugin.corpus.store import SegmentStore


@dataclass(frozen=True, slots=True)
class QuotedPassage:
    """A passage to find."""

    text: str
    document: str = ""
    """Name of its document, or the end of the name; empty for any document."""


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """Where a passage is."""

    segment: int = -1
    reason: str = ""
    """Why it is not in exactly one segment; empty if it is."""
    is_normalized: bool = False
    """True if it was found only when case and white space were ignored."""


@dataclass(slots=True)
class _Places:
    """Different places of one passage, case and white space ignored."""

    first: list[tuple[int, int]] = field(default_factory=list)
    """Ranges [first, last] of segments of the first two."""
    count: int = 0
    is_exact: bool = False
    """True if the exact text is at one of them."""
    has_document: bool = False

    def add(self, place: tuple[int, int]) -> None:
        self.count += 1
        self.first = [*self.first, place][:2]


def find_evidence(wanted: Iterable[QuotedPassage], store: SegmentStore) -> dict[QuotedPassage, FoundPassage]:
    """Return where each passage is."""
    found = {one: _Places() for one in wanted}
    folded = {one: _without_space(one.text) for one in found}
    texts = store.table["text"]
    for number, key in enumerate(store.documents["key"].to_pylist()):
        searched = [one for one in found if not one.document or _is_named(key, one.document)]
        if not searched:
            continue
        own = store.segments_of(number)
        parts = texts.slice(own.start, len(own)).to_pylist()
        exact, normalized = "\n".join(parts), _Joined(parts)
        for one in searched:
            places, before = found[one], found[one].count
            places.has_document = True
            for a, b in normalized.places(folded[one]):
                places.add((own.start + a, own.start + b))
            if places.count > before and not places.is_exact:
                places.is_exact = one.text in exact
    return {one: _result(one, places, store) for one, places in found.items()}


class _Joined:
    """The segments of a document as one text without case and white space."""

    def __init__(self, parts: Sequence[str]) -> None:
        folded = [_without_space(part) for part in parts]
        self._text = "".join(folded)
        self._starts = list(accumulate(map(len, folded), initial=0))
        """Where each segment starts, and the end of the last one."""

    def places(self, wanted: str) -> Iterator[tuple[int, int]]:
        """Yield the first and last segment of each occurrence, once for all occurrences in the same segments."""
        at = self._text.find(wanted)
        while wanted and at >= 0:
            first, last = self._segment(at), self._segment(at + len(wanted) - 1)
            yield first, last
            other = min(self._starts[first + 1], self._starts[last + 1] - len(wanted) + 1)
            at = self._text.find(wanted, max(at + 1, other))

    def _segment(self, character: int) -> int:
        return bisect_right(self._starts, character) - 1


def _result(one: QuotedPassage, places: _Places, store: SegmentStore) -> FoundPassage:
    shown = one.text if len(one.text) <= 60 else f"{one.text[:60]}..."
    if not places.has_document:
        return FoundPassage(reason=f"no document is called `{one.document}`; give its path in the corpus, or its end")
    if not places.count:
        where = f"in {one.document}" if one.document else "in any document"
        return FoundPassage(reason=f"its evidence `{shown}` is not {where}; copy the passage from the document")
    if places.count > 1:
        keys = [str(store.documents["key"][int(store.document[first])].as_py()) for first, _ in places.first]
        where = f"in {keys[0]} and {keys[1]}" if keys[0] != keys[1] else f"{places.count} times in {keys[0]}"
        advice = "a longer passage" if one.document or keys[0] == keys[1] else "its `document`, or a longer passage"
        return FoundPassage(reason=f"its evidence `{shown}` is {where}; give {advice}, so that there is one gold")
    ((first, last),) = places.first
    if first != last:
        return FoundPassage(
            reason=f"its evidence `{shown}` spans {last - first + 1} segments; give a shorter passage, a list of "
            "passages for an integration question, or raise `corpus.segment_tokens`"
        )
    return FoundPassage(first, is_normalized=not places.is_exact)


def _is_named(key: str, name: str) -> bool:
    name = name.removeprefix("./")
    return key == name or key.endswith(f"/{name}")


def _without_space(text: str) -> str:
    return "".join(text.casefold().split())
