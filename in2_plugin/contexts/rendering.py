"""From segment ids, question and answer to token ids, labels and gold ranges.

Invariant: the ids equal those of tokenising `Template.text` as a whole. Under `Joining.SPLICE` the segments' stored
ids are concatenated, and only the last segment with everything behind it is tokenised (about 0.2 ms); under
`Joining.RETOKENIZE` the whole text is (about 2 ms per 1K tokens).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding

from in2_plugin.contexts.template import Template
from in2_plugin.corpus.joining import ANCHOR, SEPARATOR, Joining
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import ModelTokenizer

SegmentIds = Sequence[int] | npt.NDArray[Any]
IGNORED = -100
"""The label of a position without loss, as in PyTorch and transformers."""


@dataclass(frozen=True, slots=True)
class GoldSpan:
    """Where a gold segment stands: tokens [start, stop) of the rendered example."""

    segment_id: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """One example as a trainer wants it."""

    input_ids: npt.NDArray[np.int64]
    """(n_tokens,)"""
    answer: tuple[int, int]
    """Supervised tokens [start, stop): the answer and its end-of-turn token."""
    segments: npt.NDArray[np.int64]
    """(n_segments + 1,) where each segment begins, in tokens; the last entry is where the last one ends."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(n_tokens,) the ids where there is loss, IGNORED elsewhere."""
        labels = np.full_like(self.input_ids, IGNORED)
        labels[slice(*self.answer)] = self.input_ids[slice(*self.answer)]
        return labels


class Renderer:
    """Renders examples of one store with one tokenizer and template."""

    def __init__(self, store: SegmentStore, tokenizer: ModelTokenizer, template: Template) -> None:
        self._store, self._tokenizer, self._template = store, tokenizer, template
        self._head = np.array(tokenizer.encode(template.head).ids, np.int64)
        self._anchor_tokens = len(tokenizer.encode(ANCHOR).ids)

    def text(self, segment_ids: SegmentIds, question: str, answer: str) -> str:
        """The rendered example as text."""
        return self._template.text(SEPARATOR.join(self._store.texts(segment_ids)), question, answer)

    def overhead(self, question: str, answer: str) -> int:
        """Tokens of an example besides its segments, give or take the few that depend on the last segment."""
        # the anchor plays the last segment; it is counted twice, as anchor and as segment
        behind = self._encode_behind(ANCHOR.removesuffix(SEPARATOR), question, answer)
        return len(self._head) + len(behind.ids) - 2 * self._anchor_tokens

    def render(self, segment_ids: SegmentIds, question: str, answer: str) -> Rendered:
        """Ids, supervised range and segment borders of one example."""
        if self._store.facts.joining is Joining.SPLICE:
            return self._splice(segment_ids, question, answer)
        return self._retokenize(segment_ids, question, answer)

    def _splice(self, segment_ids: SegmentIds, question: str, answer: str) -> Rendered:
        spliced = [self._store.ids(int(i)) for i in segment_ids[:-1]]
        last = self._store.text(int(segment_ids[-1]))
        behind = self._encode_behind(last, question, answer)
        ids = np.concatenate([self._head, *spliced, np.array(behind.ids[self._anchor_tokens :])]).astype(np.int64)
        shift = len(ids) - len(behind.ids)
        borders = np.cumsum([len(self._head), *map(len, spliced), 0])
        borders[-1] = shift + _first_token_from(behind, len(ANCHOR) + len(last))
        start = len(ANCHOR) + len(last + self._template.middle + question + self._template.turn)
        answer_tokens = _tokens_in(behind, start, start + len(self._template.lead + answer + self._template.end))
        return Rendered(ids, (shift + answer_tokens[0], shift + answer_tokens[1]), borders)

    def _retokenize(self, segment_ids: SegmentIds, question: str, answer: str) -> Rendered:
        template = self._template
        texts = self._store.texts(segment_ids)
        encoding = self._tokenizer.encode(template.text(SEPARATOR.join(texts), question, answer))
        starts = len(template.head) + np.cumsum([0, *(len(text) + len(SEPARATOR) for text in texts)])
        starts[-1] -= len(SEPARATOR)
        borders = np.array([_first_token_ending_after(encoding, int(start)) for start in starts], np.int64)
        borders[-1] = _first_token_from(encoding, int(starts[-1]))
        start = int(starts[-1]) + len(template.middle + question + template.turn)
        answer_tokens = _tokens_in(encoding, start, start + len(template.lead + answer + template.end))
        return Rendered(np.array(encoding.ids, np.int64), answer_tokens, borders)

    def _encode_behind(self, last: str, question: str, answer: str) -> Encoding:
        template = self._template
        behind = f"{last}{template.middle}{question}{template.turn}{template.lead}{answer}{template.end}{template.tail}"
        return self._tokenizer.encode(ANCHOR + behind)


def _first_token_ending_after(encoding: Encoding, character: int) -> int:
    stops = [stop for _, stop in encoding.offsets]
    return next((i for i, stop in enumerate(stops) if stop > character), len(stops))


def _first_token_from(encoding: Encoding, character: int) -> int:
    """The first token that begins there or later: a token across the border belongs to what is before it."""
    return next((i for i, (start, _) in enumerate(encoding.offsets) if start >= character), len(encoding.ids))


def _tokens_in(encoding: Encoding, start: int, stop: int) -> tuple[int, int]:
    """Tokens that overlap characters [start, stop), as a range."""
    inside = [i for i, (a, b) in enumerate(encoding.offsets) if b > start and a < stop]
    return inside[0], inside[-1] + 1


def gold_spans(rendered: Rendered, segment_ids: SegmentIds, gold: Sequence[int]) -> tuple[GoldSpan, ...]:
    """Where the gold segments stand, in reading order."""
    wanted = set(gold)
    borders = rendered.segments.tolist()
    return tuple(
        GoldSpan(int(segment), borders[i], borders[i + 1]) for i, segment in enumerate(segment_ids) if segment in wanted
    )
