"""Find passages in the documents of a segment store: exactly, or else ignoring case and white space.

A passage must be in exactly one segment, or twice in the same one. Invariant: the result for a passage does not depend
on the others. Cost: one search of each document per passage, about 1 GB of text per second.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    """Places of one passage: ranges [first, last] of segments, in order."""

    exact: list[tuple[int, int]] = field(default_factory=list)
    normalized: list[tuple[int, int]] = field(default_factory=list)
    has_document: bool = False


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
        exact, normalized = _Joined(parts, "\n", str), _Joined(parts, "", _without_space)
        for one in searched:
            places = found[one]
            places.has_document = True
            places.exact += [(own.start + a, own.start + b) for a, b in exact.places(one.text)]
            # a later document may have the exact text, so both are searched until one has
            if not places.exact:
                places.normalized += [(own.start + a, own.start + b) for a, b in normalized.places(folded[one])]
    return {one: _result(one, places, store) for one, places in found.items()}


class _Joined:
    """The segments of a document as one text."""

    def __init__(self, parts: Sequence[str], separator: str, form: Callable[[str], str]) -> None:
        formed = [form(part) for part in parts]
        self._text = separator.join(formed)
        lengths = (len(part) + len(separator) for part in formed)
        self._starts = list(accumulate(lengths, initial=0))[:-1]

    def places(self, wanted: str) -> Iterator[tuple[int, int]]:
        """Yield the first and last segment of each occurrence."""
        at = self._text.find(wanted)
        while wanted and at >= 0:
            yield self._segment(at), self._segment(at + len(wanted) - 1)
            at = self._text.find(wanted, at + 1)

    def _segment(self, character: int) -> int:
        return bisect_right(self._starts, character) - 1


def _result(one: QuotedPassage, places: _Places, store: SegmentStore) -> FoundPassage:
    found, is_normalized = (places.exact, False) if places.exact else (places.normalized, True)
    shown = one.text if len(one.text) <= 60 else f"{one.text[:60]}..."
    if not places.has_document:
        return FoundPassage(reason=f"no document is called `{one.document}`; give its path in the corpus, or its end")
    if not found:
        where = f"in {one.document}" if one.document else "in any document"
        return FoundPassage(reason=f"its evidence `{shown}` is not {where}; copy the passage from the document")
    several = list(dict.fromkeys(found))
    if len(several) > 1:
        keys = [str(store.documents["key"][int(store.document[first])].as_py()) for first, _ in several[:2]]
        where = f"in {keys[0]} and {keys[1]}" if keys[0] != keys[1] else f"{len(several)} times in {keys[0]}"
        advice = "a longer passage" if one.document or keys[0] == keys[1] else "its `document`, or a longer passage"
        return FoundPassage(reason=f"its evidence `{shown}` is {where}; give {advice}, so that there is one gold")
    ((first, last),) = several
    if first != last:
        return FoundPassage(
            reason=f"its evidence `{shown}` spans {last - first + 1} segments; give a shorter passage, a list of "
            "passages for an integration question, or raise `corpus.segment_tokens`"
        )
    return FoundPassage(first, is_normalized=is_normalized)


def _is_named(key: str, name: str) -> bool:
    name = name.removeprefix("./")
    return key == name or key.endswith(f"/{name}")


def _without_space(text: str) -> str:
    return "".join(text.casefold().split())
