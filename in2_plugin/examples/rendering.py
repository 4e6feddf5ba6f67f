"""Render segment ids, questions and answers to token ids, labels and gold ranges.

Invariant: the ids equal those of `Template.text` tokenized as a whole. `Joining.SPLICE` concatenates the stored ids of
the segments, and tokenizes only the last segment and the turns (about 0.1 ms each); turns are tokenized apart from each
other, and remembered. `Joining.RETOKENIZE` tokenizes the whole text (about 2 ms per 1K tokens).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding

from in2_plugin.corpus.splicing import ANCHOR, SEPARATOR, Joining
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.examples.template import Frame, Section, Template, Turn

SegmentIds = Sequence[int] | npt.NDArray[Any]
Range = tuple[int, int]
"""[start, stop)"""
IGNORED = -100
"""Label of a position without loss, as in PyTorch and transformers."""
REMEMBERED = 256
"""Sections whose tokens are kept: those of an example that is about to be rendered."""
COUNTED = 4_096
"""Turns whose number of tokens is kept, about 1 KB each: those of questions that wait for a context."""


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
        self._separators: dict[str, str] = {}
        self._encoding = lru_cache(REMEMBERED)(lambda section: tokenizer.encode(section.separator + section.text))
        self._turn_tokens, self._section_tokens = lru_cache(COUNTED)(self._count_turn), lru_cache(COUNTED)(self._count)

    def __reduce__(self) -> tuple[type["Renderer"], tuple[SegmentStore, TextTokenizer, Template]]:
        return Renderer, (self._store, self._tokenizer, self.template)

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
        frame, n = self.template.frame(len(turns), True), len(turns)
        if not self._separator(frame):
            (whole,) = self._sections(frame, turns)
            return len(self._head(frame)) + self._section_tokens(whole)
        return len(self._head(frame)) + sum(self._turn_tokens(n, place, turn) for place, turn in enumerate(turns))

    def most_overhead(self, turns: Sequence[Turn]) -> int:
        """Return an upper bound of `overhead` without tokenizing: no token has less than one byte."""
        frame = self.template.frame(len(turns), True)
        return len(self._head(frame)) + self._tokenizer.n_bytes(frame.after_context(turns)[0])

    def _count_turn(self, n_turns: int, place: int, turn: Turn) -> int:
        """Return the tokens of a turn among `n_turns`; those after the last separator count for the last turn."""
        frame = self.template.frame(n_turns, True)
        separator = self._separator(frame)
        sections = [frame.section(place, turn, separator)]
        if place + 1 == n_turns:
            sections.append(frame.closing(separator))
        return sum(map(self._section_tokens, sections))

    def _count(self, section: Section) -> int:
        """Return the tokens of a section."""
        if section.separator:
            return len(self._encoding(section)) - 1
        # the anchor stands in for the last segment, so its tokens are subtracted twice: as anchor and as segment
        encoding = self._tokenizer.encode(ANCHOR + ANCHOR.removesuffix(SEPARATOR) + section.text)
        return len(encoding) - 2 * self._anchor_tokens

    def render(self, segment_ids: SegmentIds, turns: Sequence[Turn]) -> Rendered:
        """Return the ids, supervised ranges and segment borders of one example."""
        frame = self.template.frame(len(turns), len(segment_ids) > 0)
        if len(segment_ids) and self._store.facts.joining is Joining.SPLICE:
            return self._splice(frame, segment_ids, turns)
        return self._whole(frame.head, self._store.texts(segment_ids), *frame.after_context(turns))

    def _splice(self, frame: Frame, segment_ids: SegmentIds, turns: Sequence[Turn]) -> Rendered:
        head, spliced = self._head(frame), np.asarray(segment_ids[:-1], np.uint32)
        borders = np.cumsum([len(head), *self._store.n_tokens[spliced], 0])
        last = ANCHOR + self._store.text(int(segment_ids[-1]))
        first, *following = self._sections(frame, turns)
        encoding = self._tokenizer.encode(last + first.text)
        tail = [_tokens_of(first, encoding, self._anchor_tokens, len(last))]
        tail += [_tokens_of(section, self._encoding(section), 1, len(section.separator)) for section in following]
        starts = (int(borders[-1]) + np.cumsum([0, *(len(each.ids) for each in tail)])).tolist()
        answers = [(at + a, at + b) for at, each in zip(starts, tail, strict=False) for a, b in each.answers]
        borders[-1] += _first_token_from(encoding, len(last)) - self._anchor_tokens
        parts = [head, self._store.gather(spliced), *(each.ids for each in tail)]
        ids = np.concatenate(parts, dtype=np.int64, casting="unsafe")
        return Rendered(ids, tuple(answers), tuple(ends for each in tail for ends in each.ends), borders)

    def _sections(self, frame: Frame, turns: Sequence[Turn]) -> list[Section]:
        """Return the text after the context in sections that can be tokenized one by one; often one per turn."""
        if not (separator := self._separator(frame)):
            return [Section("", *frame.after_context(turns))]
        sections = [frame.section(place, turn, separator) for place, turn in enumerate(turns)]
        return [*sections, frame.closing(separator)]

    def _separator(self, frame: Frame) -> str:
        """Return the special token at the end of each turn if it separates their tokens, else an empty string."""
        end = frame.turns[-1].end
        if end not in self._separators:
            self._separators[end] = self._tokenizer.separator_at_end(end)
        return self._separators[end]

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


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The tokens of a section."""

    ids: npt.NDArray[np.int64]
    answers: tuple[Range, ...]
    """Supervised tokens [start, stop) of each turn of the section."""
    ends: tuple[npt.NDArray[np.int64], ...]


def _tokens_of(section: Section, encoding: Encoding, n_before: int, start: int) -> _Tokens:
    """Return the tokens of a section that has been encoded after `n_before` tokens of `start` characters."""
    answers, ends = _supervised_tokens(encoding, [(start + a, start + b) for a, b in section.answers])
    ids = np.array(encoding.ids[n_before:], np.int64)
    return _Tokens(ids, tuple((a - n_before, b - n_before) for a, b in answers), ends)


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
