"""Building one probe: drawing items, filling each context to its length, choosing what is asked.

Invariant: the longest prompt of every set, counted in full by the model's tokenizer, and the tokens to generate
fit `probe_length`; nothing is ever cut inside an item. Items are tokenised once for all sets to find the place to
stop; then a handful of finished prompts a set are counted really. Cost at 32K: about 0.3 s a set with a fast tokenizer.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.kinds import Kind, Piece
from in2_plugin.probing.probes.options import NEW_TOKENS, ProbeOptions
from in2_plugin.probing.probes.order import asking_order, evenly_spread
from in2_plugin.probing.probes.templates import TEMPLATES, Template
from in2_plugin.probing.probes.tokens import TokenCounter
from in2_plugin.probing.scoring.curves import span_of

SEPARATOR = "\n"
"""Between items. The published files do not tell; newlines give the published sizes (paper fact: 31.5-31.9K)."""
FEWEST_ITEMS = 2
"""A curve needs two positions. Fewer items than spans are allowed: the spans between them stay empty."""


@dataclass(frozen=True, slots=True)
class ProbeSet:
    """One context and the positions that are asked for."""

    pieces: tuple[Piece, ...]
    """All items in reading order."""
    asked: tuple[int, ...]
    """Ascending positions whose query occurs exactly once in the context."""
    longest: int
    """Position of the item with the longest prompt, asked or not."""
    tokens: int
    """Tokens of that prompt, without the answer."""

    @property
    def context(self) -> str:
        return SEPARATOR.join(piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt to be scored, as places only; see `Probe.prompt`."""

    set: int
    position: int
    span: int


@dataclass(frozen=True, slots=True)
class Probe:
    """All contexts of one kind, and the template around them."""

    kind: Kind
    template: Template
    n_spans: int
    sets: tuple[ProbeSet, ...]
    closed_book: bool = False
    """Whether questions are asked without their context."""

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt of all sets, without the answer."""
        return max(one.tokens for one in self.sets)

    def longest_prompt(self) -> str:
        index = max(range(len(self.sets)), key=lambda i: self.sets[i].tokens)
        return self.prompt(index, self.sets[index].longest)

    def piece(self, set_index: int, position: int) -> Piece:
        return self.sets[set_index].pieces[position]

    def prompt(self, set_index: int, position: int) -> str:
        """The whole prompt; about 130 kB at 32K tokens, so it is made when it is needed."""
        question = ask(self.kind, self.piece(set_index, position))
        if self.closed_book:
            return self.template.without_context(question)
        return self.template.prompt(self.sets[set_index].context, question)

    def floors(self, set_index: int, position: int) -> tuple[float, float]:
        """Scores of two answers that need no reading: what the question quotes, and another item of the context."""
        pieces = self.sets[set_index].pieces
        piece, other = pieces[position], pieces[(position + len(pieces) // 2) % len(pieces)]
        return self.kind.score(piece.gold, piece.query), self.kind.score(piece.gold, other.text)

    def questions(self) -> list[Question]:
        """Every question once, in an order whose every beginning covers the positions evenly."""
        places = ((s, self.sets[s].asked[i]) for s, i in asking_order([len(one.asked) for one in self.sets]))
        return [Question(s, p, span_of(p, len(self.sets[s].pieces), self.n_spans)) for s, p in places]

    def fingerprint(self) -> str:
        """Sixteen hex digits that change with any prompt."""
        asked = (ask(self.kind, piece) for one in self.sets for piece in one.pieces)
        around = self.template.without_context("") if self.closed_book else self.template.prompt("", "")
        parts = (self.kind.name, around, *(one.context for one in self.sets), *asked)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def ask(kind: Kind, piece: Piece) -> str:
    """The question about `piece`, in the published wording."""
    return kind.question.replace("{}", piece.query)


def build_probe(kind: Kind, pool: Sequence[Piece], options: ProbeOptions, tokens: TokenCounter) -> Probe:
    """Build all sets. The same arguments give the same probe in every process.

    Raises:
        ProbeError: the length holds too few items, the pool is too small for it, or more questions are asked for
            than there are.
    """
    n_spans = kind.spans if options.probe_spans is None else options.probe_spans
    template = TEMPLATES[options.probe_template]
    items = tokens.each([piece.text + SEPARATOR for piece in pool])
    tails = tokens.each([template.tail(ask(kind, piece)) for piece in pool])
    filling = _Filling(kind, pool, items, tails, template, options.probe_length, tokens)
    sets = tuple(_build_set(filling, options, index) for index in range(options.probe_sets))
    return Probe(kind, template, n_spans, sets, options.probe_closed_book)


def _build_set(filling: "_Filling", options: ProbeOptions, index: int) -> ProbeSet:
    # a string is hashed by its digits, not by hash(): the same draw in every process
    rng = random.Random(f"val {filling.kind.name} {options.probe_seed} {index}")
    order = rng.sample(range(len(filling.pool)), len(filling.pool))
    n, length = filling.fill(order)
    longest = max(range(n), key=lambda i: filling.tails[order[i]])
    pieces = tuple(filling.pool[i] for i in order[:n])
    clear = unambiguous(filling.kind, pieces)
    if not clear:
        raise ProbeError(f"every query of set {index} of the {filling.kind.name} probe is ambiguous; use other pieces")
    wanted = options.probe_questions or len(clear)
    if wanted > len(clear):
        raise ProbeError(
            f"probe_questions={wanted}, but set {index} of the {filling.kind.name} probe can ask {len(clear)} at "
            f"probe_length={options.probe_length}; lower probe_questions or leave it out"
        )
    if options.probe_closed_book:
        alone = filling.template.without_context(ask(filling.kind, pieces[longest]))
        length = filling.tokens.prompt(alone)
    return ProbeSet(pieces, tuple(clear[i] for i in evenly_spread(len(clear), wanted)), longest, length)


def unambiguous(kind: Kind, pieces: Sequence[Piece]) -> list[int]:
    """Positions whose query occurs exactly once in the whole context, as the published skip lists have it."""
    context = SEPARATOR.join(piece.text for piece in pieces)
    marked = [kind.marker.replace("{}", piece.query) for piece in pieces]
    firsts = [context.find(text) for text in marked]
    return [
        position
        for position, (text, first) in enumerate(zip(marked, firsts, strict=True))
        if first >= 0 and context.find(text, first + 1) < 0
    ]


@dataclass(frozen=True, slots=True)
class _Filling:
    """Finds how many items fit; `items` and `tails` are token counts of the pool's items and questions."""

    kind: Kind
    pool: Sequence[Piece]
    items: Sequence[int]
    tails: Sequence[int]
    template: Template
    length: int
    tokens: TokenCounter

    @property
    def budget(self) -> int:
        return self.length - NEW_TOKENS

    def fill(self, order: Sequence[int]) -> tuple[int, int]:
        """(items, tokens of the longest prompt) for as many items of `order` as fit."""
        n = max(self._estimate(order, 1.0), FEWEST_ITEMS)
        measured = self.measure(order, n)
        # separate counts are off by a constant share, such as one token an item for SentencePiece's leading space
        n = max(self._estimate(order, measured / max(sum(self.items[i] for i in order[:n]), 1)), FEWEST_ITEMS)
        length = self.measure(order, n)
        while length > self.budget and n > FEWEST_ITEMS:
            n -= 1
            length = self.measure(order, n)
        if length > self.budget:
            raise ProbeError(
                f"probe_length={self.length} does not hold {FEWEST_ITEMS} items of the {self.kind.name} probe, its "
                f"question and {NEW_TOKENS} generated tokens; set it to at least {length + NEW_TOKENS}"
            )
        while n < len(order) and (longer := self.measure(order, n + 1)) <= self.budget:
            n, length = n + 1, longer
        if n >= len(order):
            raise ProbeError(
                f"all {n:,} pieces of the {self.kind.name} probe together do not fill probe_length={self.length}; "
                "lower it, or give a larger pool as probe_pieces"
            )
        return n, length

    def _estimate(self, order: Sequence[int], ratio: float) -> int:
        running = accumulate(self.items[i] for i in order)
        return sum(1 for _ in takewhile(lambda total: total * ratio <= self.budget, running))

    def measure(self, order: Sequence[int], n: int) -> int:
        """Tokens of the longest prompt with the first `n` items, counted really."""
        chosen = order[:n]
        # prompts of a context differ only after it, so the one with the longest tail is the longest
        longest = self.pool[max(chosen, key=lambda i: self.tails[i])]
        context = SEPARATOR.join(self.pool[i].text for i in chosen)
        return self.tokens.prompt(self.template.prompt(context, ask(self.kind, longest)))
