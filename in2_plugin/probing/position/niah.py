"""RULER's needle tasks with the depth dealt equally instead of drawn: `niah_single` and `niah_multi`.

`niah_single` hides one needle per context. `niah_multi` hides several: one of them is asked for (`multikey`), all
(`multiquery`), or all values of one key (`multivalue`). Invariant: every needle is once at every depth, in contexts
that are otherwise equal. All contexts of a run have the same haystack, as in RULER. Wording and scores are RULER's
(arXiv 2404.06654; NVIDIA/RULER, scripts/data/synthetic/constants.py and scripts/eval/synthetic/constants.py).
"""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from in2_plugin.errors import ProbeError
from in2_plugin.probing.position.haystack import Haystack, Needle, collect_units, depth_of, how_many_fit
from in2_plugin.probing.position.niah_text import BUNDLED, REPEATED, NeedleWording, keys, needle_wording, units, values
from in2_plugin.probing.position.options import GeneratedOptions
from in2_plugin.probing.position.probe import Control, PositionProbe, PositionQuestion
from in2_plugin.probing.probes.tokens import TokenCounter

NEW_TOKENS = 128
"""`tokens_to_generate` in RULER's constants.py."""
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
        return tuple(
            Needle(depth_of(depth, self.n_depths), text)
            for depth, text in zip(self.depths(context), texts, strict=True)
        )


@dataclass(frozen=True, slots=True)
class NeedlePrompts:
    """The prompts of one run; a context is made when it is asked for."""

    questions: tuple[PositionQuestion, ...]
    design: NeedleDesign
    haystack: Haystack

    def prompt(self, question: PositionQuestion) -> str:
        context, _ = self.haystack.place(self.design.needles(question.context))
        return self.design.wording.prompt(context, question.query)

    def digest(self) -> str:
        """The number of sentences depends on the tokenizer, so only the first one counts, and the length."""
        needles = (f"{n.depth:.4f} {n.text}" for context in self.design.contexts for n in self.design.needles(context))
        asked = (f"{question.length} {question.context} {question.text}" for question in self.questions)
        parts = (self.design.wording.prompt(self.haystack.units[0], ""), *needles, *asked)
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
    collected = collect_units(units(options.probe_haystack, rng), tokens, options.probe_length)
    wording = needle_wording(options.probe_values, variant == "multikey", options.probe_answer_prefix)
    groups = _groups(options, variant, n_needles, " ".join(collected), rng)
    design = NeedleDesign(wording, options.probe_depths, groups)
    haystack = _fill(options, design, collected, tokens)
    questions = (question for context in design.contexts for question in _questions(options, design, haystack, context))
    return NeedlePrompts(tuple(questions), design, haystack)


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


def _fill(options: NeedleOptions, design: NeedleDesign, collected: Sequence[str], tokens: TokenCounter) -> Haystack:
    """Return the haystack with as many units as fit beside the longest needles and question.

    Raises:
        ProbeError: not even one unit fits.
    """
    between = "\n" if options.probe_haystack == REPEATED else " "
    first_contexts = design.contexts[:: design.n_depths]

    def prompt(context: int, n: int) -> str:
        group = design.group(context)
        text, _ = Haystack(tuple(collected[:n]), between, between).place(design.needles(context))
        return design.wording.prompt(text, max(map(group.query, group.asked), key=len))

    sizes = tokens.each([prompt(context, 0) for context in first_contexts])
    longest = first_contexts[max(range(len(sizes)), key=sizes.__getitem__)]
    slack = _SLACK * len(design.needles(longest))
    n = how_many_fit(
        len(collected), options.probe_length - NEW_TOKENS, lambda n: tokens.prompt(prompt(longest, n)) + slack
    )
    if n < 1:
        raise ProbeError(
            f"probe_length={options.probe_length} does not hold one sentence beside needles, question and {NEW_TOKENS} "
            f"generated tokens; set it to at least {tokens.prompt(prompt(longest, 1)) + slack + NEW_TOKENS}"
        )
    return Haystack(tuple(collected[:n]), between, between)


def _questions(
    options: NeedleOptions, design: NeedleDesign, haystack: Haystack, context: int
) -> Iterator[PositionQuestion]:
    group, depths = design.group(context), design.depths(context)
    _, middles = haystack.place(design.needles(context))
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
