"""Find sentences as exact character spans of the text.

nupunkt, whose trained model knows abbreviations, cuts scripts that separate sentences with spaces. One pattern cuts
scripts that do not (Chinese, Japanese), and the Arabic, Urdu and Devanagari sentence ends that nupunkt does not know.
Invariant: every character outside the spans is whitespace, and no cut falls inside a user-perceived character.
Cost: 3-10 MB of text per second; the first call loads nupunkt's model.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise

_CLOSERS = "”’」』】》〉〕］）｣"
_HAN_OR_KANA = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
# Possessive quantifiers that never start inside a run, so that a run of a million dots is scanned once.
_ENDS = re.compile(
    rf"""(?: (?<![。！？｡؟۔।॥]) [。！？｡؟۔।॥]++ [。！？｡…]*+            # ends whatever follows
         | (?<!…) …++ (?= [{_CLOSERS}"]*+ [{_HAN_OR_KANA}])             # in spaced scripts it ends nothing
         | (?<!．) ．++ (?! [0-9A-Za-z０-９Ａ-Ｚａ-ｚ])                 # not the point of ３．１４
         | (?<![!?]) [!?]++ (?= [{_CLOSERS}"]*+ [{_HAN_OR_KANA}])       # half-width ends in Chinese text
         | (?<= [{_HAN_OR_KANA}] ) \.++ (?= [{_CLOSERS}"]*+ [{_HAN_OR_KANA}])
         ) [{_CLOSERS}]*+""",
    re.VERBOSE,
)
_IN_EVERY_END = re.compile(f"[。！？｡؟۔।॥…．{_HAN_OR_KANA}]")
# nupunkt's time grows with the square of the length of a word that contains `!`, `?` or `…`: a line of a million
# exclamation marks takes a quarter of an hour. The inside of such words is hidden from it.
_VERY_LONG_WORD = re.compile(r"(?<!\S)\S{180,}(?=\S{20})")
_CLOSERS_RUN = re.compile(f"[{_CLOSERS}]+")
MAX_CLUSTER = 32
"""Code points; Unicode's Stream-Safe Text Format (UAX 15) allows 30 marks in a row."""
MAX_REGIONALS = 512
"""Letters of flags; after 256 flags without a space, cuts may fall inside a pair."""
_ZERO_WIDTH_JOINER = "\u200d"


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return the character spans [start, stop) of the sentences of `text`, in reading order.

    Spans do not overlap, neither start nor end with whitespace, and leave out only whitespace. Closing quotes and
    brackets stay with the sentence before them. A newline does not end a sentence.
    """
    cuts = {_after_closers(text, cut) for cut in _nupunkt_cuts(text)}
    cuts.update(_pattern_cuts(text))
    return spans_between(text, cuts)


def spans_between(text: str, cuts: Iterable[int], start: int = 0, stop: int | None = None) -> list[tuple[int, int]]:
    """Cut text[start:stop] at those `cuts` that are character boundaries, and strip the parts."""
    end = len(text) if stop is None else stop
    inner = sorted({cut for cut in cuts if start < cut < end and is_character_boundary(text, cut)})
    edges = [start, *inner, end]
    parts = (stripped(text, left, right) for left, right in pairwise(edges))
    return [(left, right) for left, right in parts if left < right]


def stripped(text: str, start: int, stop: int) -> tuple[int, int]:
    """Move the ends of a span inwards past whitespace; a span of whitespace alone becomes empty."""
    part = text[start:stop]
    left = len(part) - len(part.lstrip())
    return start + left, start + max(left, len(part.rstrip()))


def is_character_boundary(text: str, at: int) -> bool:
    """Check that a cut before text[at] does not split a user-perceived character.

    This is a reduced form of Unicode's grapheme clusters (UAX 29): marks, variation selectors, joiners, skin tones,
    tags, conjoining Hangul and pairs of regional indicators stay with what precedes them. A cluster of more than
    MAX_CLUSTER code points is not text and may be cut after that many.
    """
    first = at
    while at - first < MAX_CLUSTER and not _separable(text, first):
        first -= 1
    return at - first in (0, MAX_CLUSTER)


def _separable(text: str, at: int) -> bool:
    if not 0 < at < len(text) or text[at - 1].isspace() or text[at].isspace():
        return True
    before, after = text[at - 1], text[at]
    if before.isascii() and after.isascii():
        return True
    if before == _ZERO_WIDTH_JOINER or _extends(after):
        return False
    return not (_is_regional(after) and _regionals_before(text, at) % 2)


def _extends(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me")  # variation selectors are Mn
        or character == _ZERO_WIDTH_JOINER
        or "\u1160" <= character <= "\u11ff"  # vowels and finals of decomposed Hangul
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= character <= "\U000e007f"  # tags, as in the flag of Wales
    )


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _regionals_before(text: str, at: int) -> int:
    first = at
    while first and at - first < MAX_REGIONALS and _is_regional(text[first - 1]):
        first -= 1
    return at - first


def _nupunkt_cuts(text: str) -> list[int]:
    if not text or text.isspace():
        return []
    from nupunkt import sent_spans

    shown = _VERY_LONG_WORD.sub(lambda word: "x" * len(word.group()), text)
    return [stop for _, stop in sent_spans(shown)]


def _pattern_cuts(text: str) -> Iterator[int]:
    """Yield the ends of matches; a straight quote right after one belongs to it if an odd number came before."""
    if text.isascii() or not _IN_EVERY_END.search(text):
        return
    quotes = counted = 0
    for match in _ENDS.finditer(text):
        end = match.end()
        quotes += text.count('"', counted, end)
        counted = end
        yield end + (quotes % 2 == 1 and text.startswith('"', end))


def _after_closers(text: str, cut: int) -> int:
    """Move a cut past closing quotation marks: nupunkt may cut between `?` and one that no space precedes."""
    closers = _CLOSERS_RUN.match(text, cut)
    return closers.end() if closers and not text[cut - 1].isspace() else cut
