"""Key-value retrieval of Liu et al. 2023, "Lost in the Middle" (arXiv 2307.03172): any length, paired depths.

The prompt has the words of the authors' repository (nelson-liu/lost-in-the-middle, prompts/kv_retrieval.prompt): a JSON
object whose keys and values are random UUIDs (scripts/make_kv_retrieval_data.py), then one key. An answer scores if it
contains the value (scripts/evaluate_kv_responses.py); 100 tokens are generated (scripts/get_kv_responses_from_mpt.py).
The authors ask each question of its own object, at five indices. Here a block of questions, one per depth, shares one
object per depth, in which only these pairs change places. Invariant: the longest prompt and the answer fit
`probe_length`. Cost at 16K: 1,000 prompts of 100 objects, each tokenized once.
"""

import hashlib
import math
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from in2_plugin.errors import ProbeError
from in2_plugin.probing.position.latin_square import latin_square, question_blocks
from in2_plugin.probing.position.longest import longest_by_context
from in2_plugin.probing.position.options import GeneratedOptions
from in2_plugin.probing.position.probe import Control, PositionProbe, PositionQuestion
from in2_plugin.probing.probes.tokens import TokenCounter

BEFORE = "Extract the value corresponding to the specified key in the JSON object below.\n\nJSON data:\n"
QUESTION = 'Key: "{}"\nCorresponding value:'
NEW_TOKENS = 100
Pair = tuple[str, str]


def contains_value(gold: tuple[str, ...], answer: str) -> float:
    """Return 1 if the answer contains the value, whatever the case."""
    return float(gold[0].lower() in answer.lower())


@dataclass(frozen=True, slots=True)
class PairBlock:
    """The pairs of one block: those that may be asked for, and those that stay where they are."""

    first: int
    """Number of its first question."""
    golds: tuple[Pair, ...]
    """(n_depths,) one per question; in the last block, more than are asked for."""
    shares: tuple[float, ...]
    """(n_depths,) where the gold of each depth is within its part of the object, from 0 to 1."""
    fillers: tuple[Pair, ...]

    def places(self) -> list[int]:
        """Return the index of the gold at each depth among all pairs."""
        n, size = len(self.golds), len(self.golds) + len(self.fillers)
        starts = [depth * size // n for depth in range(n + 1)]
        return [starts[depth] + int(self.shares[depth] * (starts[depth + 1] - starts[depth])) for depth in range(n)]

    def pairs(self, rotation: int) -> list[Pair]:
        """Return all pairs of the object in which question q is at depth (q + rotation) modulo the depths."""
        n = len(self.golds)
        there = dict(zip(self.places(), latin_square(n, n)[rotation], strict=True))
        fillers = iter(self.fillers)
        return [self.golds[there[at][0]] if at in there else next(fillers) for at in range(n + len(self.fillers))]

    def questions(self, options: GeneratedOptions, n_asked: int) -> Iterator[PositionQuestion]:
        """Yield the first `n_asked` questions of the block in each object, object by object."""
        n, size, places = len(self.golds), len(self.golds) + len(self.fillers), self.places()
        for rotation in range(n):
            for asked in range(n_asked):
                key, value = self.golds[asked]
                depth = (asked + rotation) % n
                yield PositionQuestion(
                    question=self.first + asked,
                    context=self.first + rotation,
                    length=options.probe_length,
                    depth=depth,
                    n_depths=n,
                    kind="fine_grained",
                    text=QUESTION.replace("{}", key),
                    gold=(value,),
                    query=key,
                    other=self.golds[(asked + n // 2) % n][1],
                    gold_depths=((places[depth] + 0.5) / size,),
                )


@dataclass(frozen=True, slots=True)
class KeyValuePrompts:
    """All objects of one run and the keys that are asked for."""

    options: GeneratedOptions
    blocks: tuple[PairBlock, ...]
    questions: tuple[PositionQuestion, ...]

    def prompt(self, question: PositionQuestion) -> str:
        block, rotation = divmod(question.context, self.options.probe_depths)
        lines = ",\n ".join(f'"{key}": "{value}"' for key, value in self.blocks[block].pairs(rotation))
        return f"{BEFORE}{{{lines}}}\n\n{question.text}"

    def digest(self) -> str:
        # a tokenizer decides how many fillers there are, but not which, and they follow from the seed
        options = {name: getattr(self.options, name) for name in self.options.stated()}
        golds = [(block.golds, block.shares) for block in self.blocks]
        return hashlib.sha256(f"{BEFORE} {QUESTION} {options} {golds}".encode()).hexdigest()[:16]


def key_value_prompts(options: GeneratedOptions, n_pairs: int) -> KeyValuePrompts:
    """Return the prompts with objects of `n_pairs` pairs; more pairs add fillers and change no question."""
    blocks: list[PairBlock] = []
    questions: list[PositionQuestion] = []
    for numbers in question_blocks(options.probe_questions, options.probe_depths, per_depth=1):
        block = _block(options, numbers.start, n_pairs)
        blocks.append(block)
        questions += block.questions(options, len(numbers))
    return KeyValuePrompts(options, tuple(blocks), tuple(questions))


def _block(options: GeneratedOptions, first: int, n_pairs: int) -> PairBlock:
    # Random hashes a string by its digits, not with hash(): the same draw in every process
    rng = random.Random(f"litm_kv {options.probe_seed} {first}")
    shares = tuple(rng.random() for _ in range(options.probe_depths))
    pairs = [(_uuid(rng), _uuid(rng)) for _ in range(n_pairs)]
    return PairBlock(first, tuple(pairs[: options.probe_depths]), shares, tuple(pairs[options.probe_depths :]))


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def load_key_values(lm_eval_args: Mapping[str, Any], control: Control, tokens: TokenCounter) -> KeyValuePrompts:
    """Return objects with as many pairs as fit `probe_length`.

    Raises:
        ConfigError: an option is unknown or out of bounds.
        ProbeError: the length holds fewer pairs than there are depths.
    """
    options = GeneratedOptions.of(lm_eval_args, "litm_kv")
    budget = options.probe_length - NEW_TOKENS

    def longest(n_pairs: int, every: int) -> int:
        """Return the tokens of the longest prompt about every n-th object."""
        prompts = key_value_prompts(options, n_pairs)
        chosen = longest_by_context(prompts.questions, tokens)[::every]
        return max(tokens.prompt(prompts.prompt(question)) for question in chosen)

    # the objects of a block have the same pairs, and so the same length up to a few tokens: try one of each
    n_pairs = _most_pairs(budget, options.probe_depths, lambda n: longest(n, every=options.probe_depths))
    while n_pairs >= options.probe_depths and longest(n_pairs, every=1) > budget:
        n_pairs -= 1
    if n_pairs < options.probe_depths:
        raise ProbeError(
            f"litm_kv: probe_length={options.probe_length} holds {max(n_pairs, 0)} pairs, fewer than "
            f"probe_depths={options.probe_depths}; raise probe_length or lower probe_depths"
        )
    return key_value_prompts(options, n_pairs)


def _most_pairs(budget: int, least: int, longest: Callable[[int], int]) -> int:
    """Return the number of pairs whose longest prompt fits `budget` tokens; without a fit a number below `least`."""
    shortest = longest(least)
    per_pair = (longest(2 * least) - shortest) / least
    n_pairs = least + math.floor((budget - shortest) / per_pair)
    if n_pairs <= least:
        return n_pairs
    n_pairs += math.floor((budget - longest(n_pairs)) / per_pair)
    while n_pairs > least and longest(n_pairs) > budget:
        n_pairs -= 1
    return n_pairs


LITM_KV = PositionProbe(
    name="litm_kv",
    title="Key-value retrieval",
    load=load_key_values,
    score=contains_value,
    options=GeneratedOptions,
    controls=("",),
    max_gen_toks=NEW_TOKENS,
    source="Liu et al. 2023, arXiv 2307.03172; github.com/nelson-liu/lost-in-the-middle",
)
