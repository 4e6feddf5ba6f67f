"""RULER's needle tasks with the depth dealt equally instead of drawn: `niah_single` and `niah_multi`.

`niah_single` hides one needle per context. `niah_multi` hides several: one of them is asked for (`multikey`), all
(`multiquery`), or all values of one key (`multivalue`). Invariant: every needle is once at every depth, in contexts
that are otherwise equal. Each group of needles has its own part of the haystack, so that one sentence beside a depth
does not affect all questions; in RULER every haystack starts at the first sentence. Wording and scores are RULER's
(arXiv 2404.06654; NVIDIA/RULER, scripts/data/synthetic/constants.py and scripts/eval/synthetic/constants.py).
"""

import hashlib
import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from in2_plugin.errors import ProbeError
from in2_plugin.probing.position.haystack import Haystack, Needle, collect_units, how_many_fit
from in2_plugin.probing.position.niah_text import BUNDLED, REPEATED, NeedleWording, keys, needle_wording, units, values
from in2_plugin.probing.position.options import GeneratedOptions
from in2_plugin.probing.position.probe import Control, PositionProbe, PositionQuestion
from in2_plugin.probing.probes.tokens import TokenCounter

NEW_TOKENS = 128
"""`tokens_to_generate` in RULER's constants.py."""
STARTS = 5_000
"""Sentences among which that is drawn with which the contexts of a group start; the same for every tokenizer."""
_SLACK = 4
"""Tokens per needle by which two contexts may differ, because tokens merge across its ends."""


class NeedleOptions(GeneratedOptions):
    """Options of `niah_single`."""

    probe_haystack: str = BUNDLED
    """`bundled`: our corpus of Python documentation. `noise`: RULER's repeated sentences of niah_single_1. Otherwise a
    file: text, or JSON with a field `text`, such as the PaulGrahamEssays.json that RULER's script writes."""
    probe_values: Literal["numbers", "uuids"] = "numbers"
    """`uuids` are the values of niah_single_3."""
    probe_answer_prefix: bool = False
    """End each prompt with RULER's start of the answer; for base models, without a chat template."""


class MultiNeedleOptions(NeedleOptions):
    """Options of `niah_multi`."""

    probe_variant: Literal["multikey", "multiquery", "multivalue"] = "multiquery"
    """`multiquery` asks for all keys at once, `multivalue` for all values of one key, `multikey` for one key, where
    the other needles distract."""
    probe_needles: int = Field(default=4, ge=2)
    """Needles per context."""

    @model_validator(mode="after")
    def _check_needles(self) -> Self:
        if self.probe_needles > self.probe_depths:
            raise ValueError(
                f"probe_needles={self.probe_needles} is more than probe_depths={self.probe_depths}, so two needles "
                "would be at one depth; raise probe_depths"
            )
        return self


@dataclass(frozen=True, slots=True)
class NeedleGroup:
    """The needles that are in the same contexts, one context per depth."""

    keys: tuple[str, ...]
    """One per needle; all are equal for `multivalue`."""
    values: tuple[str, ...]
    asked: tuple[tuple[int, ...], ...]
    """The needles that each question asks for, by their number in the group."""

    def query(self, asked: Sequence[int]) -> str:
        """Return the different keys of some needles, joined as in RULER."""
        *others, last = dict.fromkeys(self.keys[number] for number in asked)
        return f"{', '.join(others)}, and {last}" if others else last


@dataclass(frozen=True, slots=True)
class NeedleDesign:
    """All contexts of a run apart from the haystack: context c is number c modulo `n_depths` of its group."""

    wording: NeedleWording
    n_depths: int
    groups: tuple[NeedleGroup, ...]

    @property
    def contexts(self) -> range:
        return range(len(self.groups) * self.n_depths)

    def group(self, context: int) -> NeedleGroup:
        return self.groups[context // self.n_depths]

    def depths(self, context: int) -> tuple[int, ...]:
        """Return the number of the depth of each needle of a context."""
        number, turn = divmod(context, self.n_depths)
        return needle_depths(number, turn, len(self.groups[number].keys), self.n_depths)

    def needles(self, context: int) -> tuple[Needle, ...]:
        group = self.group(context)
        texts = map(self.wording.needle, group.keys, group.values)
        return tuple(Needle(depth, text) for depth, text in zip(self.depths(context), texts, strict=True))


@dataclass(frozen=True, slots=True)
class NeedlePrompts:
    """The prompts of one run; a context is made when it is asked for."""

    questions: tuple[PositionQuestion, ...]
    design: NeedleDesign
    haystacks: tuple[Haystack, ...]
    """One per group."""

    def prompt(self, question: PositionQuestion) -> str:
        n_depths = self.design.n_depths
        haystack = self.haystacks[question.context // n_depths]
        context, _ = haystack.place(self.design.needles(question.context), n_depths)
        return self.design.wording.prompt(context, question.query)

    def digest(self) -> str:
        """The number of sentences depends on the tokenizer, so only the first of each group counts, and the length."""
        needles = (f"{n.depth} {n.text}" for context in self.design.contexts for n in self.design.needles(context))
        asked = (f"{question.length} {question.context} {question.text}" for question in self.questions)
        starts = (self.design.wording.prompt(haystack.units[0], "") for haystack in self.haystacks)
        parts = (*starts, *needles, *asked)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def found_share(gold: tuple[str, ...], answer: str) -> float:
    """Return the share of the values in the answer, ignoring case (RULER: `string_match_all`)."""
    return sum(value.lower() in answer.lower() for value in gold) / len(gold)


def needle_depths(group: int, context: int, n_needles: int, n_depths: int) -> tuple[int, ...]:
    """Return the number of the depth of each needle of a group in one of its `n_depths` contexts; all differ.

    Over the contexts of a group, every needle is once at every depth. Over groups, the distances from the first needle
    to each other one are dealt equally.
    """
    first = (group + context) % n_depths
    step = (n_depths - 1) // max(n_needles - 1, 1)
    distances = (1 + (group + number * step) % (n_depths - 1) for number in range(n_needles - 1))
    return (first, *((first + distance) % n_depths for distance in distances))


def _load_single(lm_eval_args: Mapping[str, Any], control: Control, tokens: TokenCounter) -> NeedlePrompts:
    return _make("niah_single", NeedleOptions.of(lm_eval_args, "niah_single"), "multikey", 1, tokens)


def _load_multi(lm_eval_args: Mapping[str, Any], control: Control, tokens: TokenCounter) -> NeedlePrompts:
    options = MultiNeedleOptions.of(lm_eval_args, "niah_multi")
    return _make("niah_multi", options, options.probe_variant, options.probe_needles, tokens)


def _make(name: str, options: NeedleOptions, variant: str, n_needles: int, tokens: TokenCounter) -> NeedlePrompts:
    # Random hashes a string by its digits, not with hash(): the same draw in every process
    rng = random.Random(f"{name} {options.probe_seed}")
    source = units(options.probe_haystack, rng)
    sentences = (*islice(source, STARTS), *collect_units(source, tokens, options.probe_length))
    wording = needle_wording(options.probe_values, variant == "multikey", options.probe_answer_prefix)
    groups = _groups(options, variant, n_needles, " ".join(sentences), rng)
    design = NeedleDesign(wording, options.probe_depths, groups)
    starts = tuple(rng.randrange(STARTS) for _ in groups)
    between = "\n" if options.probe_haystack == REPEATED else " "
    haystacks = _fill(_Surroundings(design, sentences, starts, between), options.probe_length, tokens)
    questions = (
        question
        for context in design.contexts
        for question in _questions(options, design, haystacks[context // design.n_depths], context)
    )
    return NeedlePrompts(tuple(questions), design, haystacks)


def _groups(
    options: NeedleOptions, variant: str, n_needles: int, text: str, rng: random.Random
) -> tuple[NeedleGroup, ...]:
    """Draw keys and values; the last group may have fewer questions than the others."""
    is_one = variant == "multikey"
    asked = tuple((number,) for number in range(n_needles)) if is_one else (tuple(range(n_needles)),)
    n_groups = -(-options.probe_questions // len(asked))
    n_keys = 1 if variant == "multivalue" else n_needles
    names = iter(keys(n_groups * n_keys, rng))
    secrets = iter(values(n_groups * n_needles, options.probe_values, text, rng))
    return tuple(
        NeedleGroup(
            tuple(islice(names, n_keys)) * (n_needles // n_keys),
            tuple(islice(secrets, n_needles)),
            asked[: options.probe_questions - number * len(asked)],
        )
        for number in range(n_groups)
    )


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """The sentences of a run, and with which of them the contexts of each group start."""

    design: NeedleDesign
    sentences: tuple[str, ...]
    starts: tuple[int, ...]
    between: str

    def haystack(self, group: int, n: int) -> Haystack:
        """Return `n` sentences for a group."""
        start = self.starts[group]
        return Haystack(self.sentences[start : start + n], self.between, self.between)

    def measure(self, group: int, n: int, tokens: TokenCounter) -> int:
        """Return the most tokens that a prompt with `n` sentences can have."""
        asked, needles = self.design.groups[group], self.design.needles(group * self.design.n_depths)
        text, _ = self.haystack(group, n).place(needles, self.design.n_depths)
        prompt = self.design.wording.prompt(text, max(map(asked.query, asked.asked), key=len))
        return tokens.prompt(prompt) + _SLACK * len(needles)


def _fill(around: _Surroundings, length: int, tokens: TokenCounter) -> tuple[Haystack, ...]:
    """Return the haystack of each group, with as many sentences as fit beside its needles and longest question.

    For the first group, whole prompts are counted. The others begin with as many tokens, counted by sentence, and lose
    sentences until the whole prompt fits, so that each costs about two counts.

    Raises:
        ProbeError: there are fewer sentences than the depths need.
    """
    budget, ends = length - NEW_TOKENS, [0, *accumulate(tokens.each(around.sentences))]

    def holding(group: int, size: int) -> int:
        """Return how many sentences have at most `size` tokens together."""
        start = around.starts[group]
        return bisect_right(ends, ends[start] + size) - 1 - start

    first = how_many_fit(holding(0, 2 * budget), budget, lambda n: around.measure(0, n, tokens))
    if first < 1:
        raise ProbeError(
            f"probe_length={length} does not hold one sentence beside needles, question and {NEW_TOKENS} generated "
            f"tokens; set it to at least {around.measure(0, 1, tokens) + NEW_TOKENS}"
        )
    room = ends[around.starts[0] + first] - ends[around.starts[0]]
    numbers = [_shrunk(around, group, holding(group, room), budget, tokens) for group in range(len(around.starts))]
    if min(numbers) < around.design.n_depths - 1:
        raise ProbeError(
            f"probe_length={length} holds only {min(numbers)} sentences, fewer than probe_depths="
            f"{around.design.n_depths} needs; raise probe_length or lower probe_depths"
        )
    return tuple(around.haystack(group, n) for group, n in enumerate(numbers))


def _shrunk(around: _Surroundings, group: int, n: int, budget: int, tokens: TokenCounter) -> int:
    """Return the largest number of sentences up to `n` that fits; 0 if none does."""
    while n > 0 and around.measure(group, n, tokens) > budget:
        n -= 1
    return n


def _questions(
    options: NeedleOptions, design: NeedleDesign, haystack: Haystack, context: int
) -> Iterator[PositionQuestion]:
    group, depths = design.group(context), design.depths(context)
    _, middles = haystack.place(design.needles(context), design.n_depths)
    for index, asked in enumerate(group.asked):
        query = group.query(asked)
        others = [value for needle, value in enumerate(group.values) if needle not in asked]
        yield PositionQuestion(
            question=context // design.n_depths * len(design.groups[0].asked) + index,
            context=context,
            length=options.probe_length,
            depth=depths[asked[0]],
            n_depths=design.n_depths,
            kind="integration" if len(asked) > 1 else "fine_grained",
            text=design.wording.question(query),
            gold=tuple(group.values[needle] for needle in asked),
            query=query,
            other=others[0] if others else haystack.units[len(haystack.units) // 2],
            gold_depths=tuple(middles[needle] for needle in asked),
        )


NIAH_SINGLE = PositionProbe(
    name="niah_single",
    title="Needle in a haystack",
    load=_load_single,
    score=found_share,
    options=NeedleOptions,
    controls=("",),
    max_gen_toks=NEW_TOKENS,
    source="NVIDIA/RULER (arXiv 2404.06654)",
)
NIAH_MULTI = PositionProbe(
    name="niah_multi",
    title="Several needles in a haystack",
    load=_load_multi,
    score=found_share,
    options=MultiNeedleOptions,
    controls=("",),
    max_gen_toks=NEW_TOKENS,
    source="NVIDIA/RULER (arXiv 2404.06654)",
)
