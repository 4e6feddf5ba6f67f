"""Build the contexts of one probe: draw items, fill each context to its length, choose the questions.

Invariant: the longest prompt of every set, counted in full by the model's tokenizer, and the tokens to generate fit
`probe_length`; no item is ever cut. Items are tokenized once for all sets to estimate how many fit; then a handful of
complete prompts per set are counted exactly. Cost at 32K: about 0.3 s per set with a fast tokenizer.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.options import NEW_TOKENS, ProbeOptions
from in2_plugin.probing.probes.order import evenly_spread, question_order
from in2_plugin.probing.probes.probe import Item, Probe
from in2_plugin.probing.probes.templates import TEMPLATES, PromptTemplate
from in2_plugin.probing.probes.tokens import TokenCounter
from in2_plugin.probing.scoring.curves import span_of

SEPARATOR = "\n"
"""Between items. The paper does not specify it; newlines give the published sizes (31.5-31.9K tokens)."""
FEWEST_ITEMS = 2
"""A curve needs two positions. With fewer items than spans, the spans between them are empty."""


@dataclass(frozen=True, slots=True)
class ProbeSet:
    """One context and the positions that are asked for."""

    items: tuple[Item, ...]
    """All items in reading order."""
    asked: tuple[int, ...]
    """Ascending positions whose query occurs exactly once in the context."""
    longest: int
    """Position of the item with the longest prompt, asked for or not."""
    tokens: int
    """Tokens of that prompt, without the answer."""

    @property
    def context(self) -> str:
        return SEPARATOR.join(item.text for item in self.items)


@dataclass(frozen=True, slots=True)
class ProbeQuestion:
    """One question by its indices; `BuiltProbe.prompt` makes the prompt."""

    set: int
    position: int
    span: int


@dataclass(frozen=True, slots=True)
class BuiltProbe:
    """All contexts of one probe, and the template of their prompts."""

    probe: Probe
    template: PromptTemplate
    n_spans: int
    sets: tuple[ProbeSet, ...]
    closed_book: bool = False
    """True if questions are asked without their context."""

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt of all sets, without the answer."""
        return max(one.tokens for one in self.sets)

    def longest_prompt(self) -> str:
        index = max(range(len(self.sets)), key=lambda i: self.sets[i].tokens)
        return self.prompt(index, self.sets[index].longest)

    def item(self, set_index: int, position: int) -> Item:
        return self.sets[set_index].items[position]

    def prompt(self, set_index: int, position: int) -> str:
        """Return the whole prompt, made on demand: about 130 kB at 32K tokens."""
        question = self.probe.ask(self.item(set_index, position))
        if self.closed_book:
            return self.template.without_context(question)
        return self.template.prompt(self.sets[set_index].context, question)

    def baselines(self, set_index: int, position: int) -> tuple[float, float]:
        """Return the scores of the quoted part and of another item of the context, as answers."""
        items = self.sets[set_index].items
        item, other = items[position], items[(position + len(items) // 2) % len(items)]
        return self.probe.baselines(item.gold, item.query, other.text)

    def questions(self) -> list[ProbeQuestion]:
        """Return every question once, in an order whose every prefix covers the positions evenly."""
        places = ((s, self.sets[s].asked[i]) for s, i in question_order([len(one.asked) for one in self.sets]))
        return [ProbeQuestion(s, p, span_of(p, len(self.sets[s].items), self.n_spans)) for s, p in places]

    def fingerprint(self) -> str:
        """Return sixteen hex digits that change with any prompt."""
        asked = (self.probe.ask(item) for one in self.sets for item in one.items)
        around = self.template.without_context("") if self.closed_book else self.template.prompt("", "")
        parts = (self.probe.name, around, *(one.context for one in self.sets), *asked)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def build_probe(probe: Probe, pool: Sequence[Item], options: ProbeOptions, tokens: TokenCounter) -> BuiltProbe:
    """Build all sets. The same arguments give the same contexts in every process.

    Raises:
        ProbeError: the length holds too few items, the pool is too small for it, or there are fewer items than
            `probe_questions`.
    """
    n_spans = probe.spans if options.probe_spans is None else options.probe_spans
    template = TEMPLATES[options.probe_template]
    items = tokens.each([item.text + SEPARATOR for item in pool])
    tails = tokens.each([template.tail(probe.ask(item)) for item in pool])
    filling = _Filling(probe, pool, items, tails, template, options.probe_length, tokens)
    sets = tuple(_build_set(filling, options, index) for index in range(options.probe_sets))
    return BuiltProbe(probe, template, n_spans, sets, options.probe_closed_book)


def _build_set(filling: "_Filling", options: ProbeOptions, index: int) -> ProbeSet:
    probe = filling.probe
    # Random hashes a string by its digits, not with hash(): the same draw in every process
    rng = random.Random(f"val {probe.name} {options.probe_seed} {index}")
    order = rng.sample(range(len(filling.pool)), len(filling.pool))
    n, length = filling.fill(order)
    longest = max(range(n), key=lambda i: filling.tails[order[i]])
    items = tuple(filling.pool[i] for i in order[:n])
    clear = unambiguous(probe, items)
    if not clear:
        raise ProbeError(f"every query of set {index} of the {probe.name} probe is ambiguous; use other items")
    wanted = options.probe_questions or len(clear)
    if wanted > len(clear):
        raise ProbeError(
            f"probe_questions={wanted}, but set {index} of the {probe.name} probe has only {len(clear)} questions at "
            f"probe_length={options.probe_length}; lower probe_questions or leave it out"
        )
    if options.probe_closed_book:
        alone = filling.template.without_context(probe.ask(items[longest]))
        length = filling.tokens.prompt(alone)
    return ProbeSet(items, tuple(clear[i] for i in evenly_spread(len(clear), wanted)), longest, length)


def unambiguous(probe: Probe, items: Sequence[Item]) -> list[int]:
    """Return the positions whose query occurs exactly once in the whole context, like the published skip lists."""
    context = SEPARATOR.join(item.text for item in items)
    marked = [probe.marked(item.query) for item in items]
    firsts = [context.find(text) for text in marked]
    return [
        position
        for position, (text, first) in enumerate(zip(marked, firsts, strict=True))
        if first >= 0 and context.find(text, first + 1) < 0
    ]


@dataclass(frozen=True, slots=True)
class _Filling:
    """Finds how many items fit; `items` and `tails` are token counts of the pool's items and questions."""

    probe: Probe
    pool: Sequence[Item]
    items: Sequence[int]
    tails: Sequence[int]
    template: PromptTemplate
    length: int
    tokens: TokenCounter

    @property
    def budget(self) -> int:
        return self.length - NEW_TOKENS

    def fill(self, order: Sequence[int]) -> tuple[int, int]:
        """Return (items, tokens of the longest prompt) for as many items of `order` as fit."""
        n = max(self._estimate(order, 1.0), FEWEST_ITEMS)
        measured = self.measure(order, n)
        # separate counts are off by a constant share, such as one token per item for SentencePiece's leading space
        n = max(self._estimate(order, measured / max(sum(self.items[i] for i in order[:n]), 1)), FEWEST_ITEMS)
        length = self.measure(order, n)
        while length > self.budget and n > FEWEST_ITEMS:
            n -= 1
            length = self.measure(order, n)
        if length > self.budget:
            raise ProbeError(
                f"probe_length={self.length} does not hold {FEWEST_ITEMS} items of the {self.probe.name} probe, its "
                f"question and {NEW_TOKENS} generated tokens; set it to at least {length + NEW_TOKENS}"
            )
        while n < len(order) and (longer := self.measure(order, n + 1)) <= self.budget:
            n, length = n + 1, longer
        if n >= len(order):
            raise ProbeError(
                f"all {n:,} items of the {self.probe.name} probe together do not fill probe_length={self.length}; "
                "lower it, or set probe_pieces to a folder with more items"
            )
        return n, length

    def _estimate(self, order: Sequence[int], ratio: float) -> int:
        running = accumulate(self.items[i] for i in order)
        return sum(1 for _ in takewhile(lambda total: total * ratio <= self.budget, running))

    def measure(self, order: Sequence[int], n: int) -> int:
        """Count the tokens of the longest prompt with the first `n` items exactly."""
        chosen = order[:n]
        # prompts of a context differ only after it, so the one with the longest tail is the longest
        longest = self.pool[max(chosen, key=lambda i: self.tails[i])]
        context = SEPARATOR.join(self.pool[i].text for i in chosen)
        return self.tokens.prompt(self.template.prompt(context, self.probe.ask(longest)))
