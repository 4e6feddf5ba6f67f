"""What the affordable recipes cost: what `in2 recipes plan` says of their files, and setups to compare with.

Invariant: no figure is typed here that the plan computes. Cost: a second a recipe.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from in2_plugin.preflight.costs import GIB, ModelShape, Setup, memory
from in2_plugin.recipe.folder import RecipeFolder
from in2_plugin.recipe.planning.assumed_data import AROUND_TOKENS, DOCUMENT_TOKENS, GENERAL_TOKENS, MOST_ANSWER_TOKENS
from in2_plugin.recipe.planning.plan import Plan, plan_recipe
from in2_plugin.recipe.planning.published_models import LINEAR, adapter_weights

LONG, SHORT = 140, 15
"""Long and short examples of 175, as in the paper's mixture (section 2.1); the rest is general."""
SHORTEST = 4_096
DRAWN = 17_500


def lengths(longest: int, examples: int = DRAWN) -> npt.NDArray[np.int64]:
    """(examples,) lengths in the proportion of the mixture; long ones uniform from 4,096 to `longest` tokens."""
    long, short = examples * LONG // 175, examples * SHORT // 175
    spread = np.linspace(SHORTEST, longest, long)
    each = [spread, np.full(short, DOCUMENT_TOKENS + AROUND_TOKENS), np.full(examples - long - short, GENERAL_TOKENS)]
    return np.concatenate(each).astype(np.int64)


def sharded(gpus: int, accumulation: int) -> Setup:
    """Full fine-tuning under ZeRO-3, with a float32 copy of the weights."""
    return Setup(
        gpus=gpus,
        accumulation=accumulation,
        shard_weights=True,
        shard_gradients=True,
        shard_optimizer=True,
        logits="answers",
    )


def adapted(shape: ModelShape, rank: int, accumulation: int, four_bits: bool) -> Setup:
    """Adapters in float32 on one GPU, over weights of 16 or 4 bits (NF4 with doubly quantised scales: 0.52 bytes)."""
    return Setup(
        accumulation=accumulation,
        weight_bytes=4,
        gradient_bytes=4,
        optimizer_bytes=8,
        frozen_bytes=0.52 if four_bits else 2,
        trained=adapter_weights(shape, rank, LINEAR),
        logits="answers",
    )


def in_parts(setup: Setup, parts: int) -> Setup:
    """The same with each row spread over so many GPUs, and the head left to a fused kernel."""
    return replace(setup, context_parallel=parts, logits="fused", offload_activations=False)


def gib_a_gpu(shape: ModelShape, setup: Setup, longest: int) -> float:
    """Memory of a GPU for the longest example."""
    return memory(shape, setup, longest, MOST_ANSWER_TOKENS).total / GIB


def plans_of(name: str, files: Mapping[str, str], gpus: int, cards: Sequence[str]) -> dict[str, Plan]:
    """What `in2 recipes plan` says of a recipe that is not written yet, by kind of GPU."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, name)
        folder.mkdir()
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        return {card: plan_recipe(RecipeFolder(folder), gpus=gpus, gpu=card) for card in cards}
