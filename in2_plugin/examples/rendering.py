"""Render segment ids, questions and answers to token ids, labels and gold ranges.

Invariant: the ids equal those of `Template.text` tokenized as a whole. `Joining.SPLICE` concatenates the stored ids of
the segments, and tokenizes only the last segment and the text after it (about 0.2 ms); `Joining.RETOKENIZE` tokenizes
the whole text (about 2 ms per 1K tokens).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding

from in2_plugin.corpus.splicing import ANCHOR, SEPARATOR, Joining
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.examples.template import Frame, Template, Turn

SegmentIds = Sequence[int] | npt.NDArray[Any]
Range = tuple[int, int]
"""[start, stop)"""
IGNORED = -100
"""Label of a position without loss, as in PyTorch and transformers."""


@dataclass(frozen=True, slots=True)
class GoldSpan:
    """Position of a gold segment: tokens [start, stop) of the rendered example."""

    segment_id: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """One example as token ids."""

    input_ids: npt.NDArray[np.int64]
    """(n_tokens,)"""
    answers: tuple[tuple[int, int], ...]
    """Supervised tokens [start, stop) of each turn: the answer and its end-of-turn token."""
    token_ends: tuple[npt.NDArray[np.int64], ...]
    """(n_supervised,) of each turn: characters of its supervised text up to the end of each token."""
    segments: npt.NDArray[np.int64]
    """(n_segments + 1,) first token of each segment, then the end of the last one. Empty without a context."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(n_tokens,) ids at positions with loss, IGNORED elsewhere."""
        labels = np.full_like(self.input_ids, IGNORED)
        for start, stop in self.answers:
            labels[start:stop] = self.input_ids[start:stop]
        return labels


class Renderer:
    """Renders examples of one store with one tokenizer and template."""

    def __init__(self, store: SegmentStore, tokenizer: TextTokenizer, template: Template) -> None:
        self._store, self._tokenizer, self.template = store, tokenizer, template
        self._anchor_tokens = len(tokenizer.encode(ANCHOR).ids)
        self._heads: dict[str, npt.NDArray[np.int64]] = {}

    def text(self, segment_ids: SegmentIds, turns: Sequence[Turn]) -> str:
        """Return the rendered text; without segments, it is a conversation without a context."""
        return self.template.text(self._context(segment_ids), turns)

    def messages(self, segment_ids: SegmentIds, turns: Sequence[Turn]) -> list[dict[str, str]]:
        """Return the example as messages for the model's chat template."""
        return self.template.messages(self._context(segment_ids), turns)

    def _context(self, segment_ids: SegmentIds) -> str | None:
        return SEPARATOR.join(self._store.texts(segment_ids)) if len(segment_ids) else None

    def can_spell(self, *texts: str) -> bool:
        """Return True if the tokenizer has a token for every character of these texts."""
        return all(map(self._tokenizer.can_spell, texts))

    def overhead(self, turns: Sequence[Turn]) -> int:
        """Return the tokens of an example without its segments, except for a few that depend on the last segment."""
        frame = self.template.frame(len(turns), True)
        # the anchor stands in for the last segment, so its tokens are subtracted twice: as anchor and as segment
        tail = self._encode_tail(ANCHOR.removesuffix(SEPARATOR), frame.after_context(turns)[0])
        return len(self._head(frame)) + len(tail.ids) - 2 * self._anchor_tokens

    def render(self, segment_ids: SegmentIds, turns: Sequence[Turn]) -> Rendered:
        """Return the ids, supervised ranges and segment borders of one example."""
        frame = self.template.frame(len(turns), len(segment_ids) > 0)
        tail, answers = frame.after_context(turns)
        if len(segment_ids) == 0:
            return self._whole(frame.head, [], tail, answers)
        if self._store.facts.joining is Joining.SPLICE:
            return self._splice(frame, segment_ids, tail, answers)
        return self._whole(frame.head, self._store.texts(segment_ids), tail, answers)

    def _splice(self, frame: Frame, segment_ids: SegmentIds, tail: str, answers: Sequence[Range]) -> Rendered:
        head = self._head(frame)
        spliced = np.asarray(segment_ids[:-1], np.uint32)
        last = self._store.text(int(segment_ids[-1]))
        encoding = self._encode_tail(last, tail)
        tail_ids = np.array(encoding.ids[self._anchor_tokens :], np.int64)
        ids = np.concatenate([head, self._store.gather(spliced), tail_ids], dtype=np.int64, casting="unsafe")
        shift = len(ids) - len(encoding.ids)
        borders = np.cumsum([len(head), *self._store.n_tokens[spliced], 0])
        end = len(ANCHOR) + len(last)
        borders[-1] = shift + _first_token_from(encoding, end)
        found, ends = _supervised_tokens(encoding, [(end + start, end + stop) for start, stop in answers])
        return Rendered(ids, tuple((shift + start, shift + stop) for start, stop in found), ends, borders)

    def _whole(self, head: str, texts: Sequence[str], tail: str, answers: Sequence[Range]) -> Rendered:
        before = head + SEPARATOR.join(texts)
        encoding = self._tokenizer.encode(before + tail)
        borders = np.zeros(0, np.int64)
        if texts:
            starts = len(head) + np.cumsum([0, *(len(text) + len(SEPARATOR) for text in texts)])
            stops = np.array([stop for _, stop in encoding.offsets])
            # the first token that ends after each border
            borders = np.array([int(np.argmax(stops > start)) for start in starts[:-1]], np.int64)
            borders = np.append(borders, _first_token_from(encoding, len(before)))
        found, ends = _supervised_tokens(
            encoding, [(len(before) + start, len(before) + stop) for start, stop in answers]
        )
        return Rendered(np.array(encoding.ids, np.int64), found, ends, borders)

    def _head(self, frame: Frame) -> npt.NDArray[np.int64]:
        if frame.head not in self._heads:
            self._heads[frame.head] = np.array(self._tokenizer.encode(frame.head).ids, np.int64)
        return self._heads[frame.head]

    def _encode_tail(self, last: str, tail: str) -> Encoding:
        return self._tokenizer.encode(ANCHOR + last + tail)


def _first_token_from(encoding: Encoding, character: int) -> int:
    """Return the first token that begins at or after a character: a token across it belongs to the text before."""
    return next((i for i, (start, _) in enumerate(encoding.offsets) if start >= character), len(encoding.ids))


def _supervised_tokens(
    encoding: Encoding, ranges: Sequence[Range]
) -> tuple[tuple[Range, ...], tuple[npt.NDArray[np.int64], ...]]:
    """Return the token range that overlaps each character range [start, stop), and where its tokens end in it."""
    starts, stops = np.array(encoding.offsets).T
    inside = [np.flatnonzero((stops > start) & (starts < stop)) for start, stop in ranges]
    tokens = tuple((int(each[0]), int(each[-1]) + 1) for each in inside)
    return tokens, tuple(stops[a:b] - start for (a, b), (start, _) in zip(tokens, ranges, strict=True))


def gold_spans(rendered: Rendered, segment_ids: SegmentIds, gold: Sequence[int]) -> tuple[GoldSpan, ...]:
    """Return the positions of the gold segments, in reading order."""
    wanted = set(gold)
    borders = rendered.segments.tolist()
    return tuple(
        GoldSpan(int(segment), borders[i], borders[i + 1]) for i, segment in enumerate(segment_ids) if segment in wanted
    )
