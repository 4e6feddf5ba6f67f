"""What the recipes of the paper cost: what `in2 recipes plan` says of their files, and the paper's own figure.

Invariant: no figure is typed here that the plan computes. Cost: a second a recipe.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from in2_plugin.preflight.costs import GIB, ModelShape, Setup, memory
from in2_plugin.recipe.folder import RecipeFolder
from in2_plugin.recipe.planning.assumed_data import AROUND_TOKENS, DOCUMENT_TOKENS, GENERAL_TOKENS, MOST_ANSWER_TOKENS
from in2_plugin.recipe.planning.plan import PAPER_EXAMPLES, PAPER_GPU_DAYS, Plan, RunPlan, plan_recipe

GPU = "A100-80G"
MISTRAL = ModelShape(32, 4_096, 32, 8, 128, 14_336, 32_000, 7_241_732_096, 7_241_732_096)
"""Mistral-7B-Instruct-v0.2, from its config.json."""
SHORT_TOKENS = DOCUMENT_TOKENS + AROUND_TOKENS
"""A text by itself, with question, answer and template."""
__all__ = ["GENERAL_TOKENS", "MISTRAL", "MOST_ANSWER_TOKENS", "PAPER_EXAMPLES", "SHORT_TOKENS", "Costs", "costs_of",
           "paper_gpu_days"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Costs:
    """The plans of one recipe, by number of GPUs."""

    plans: Mapping[int, Plan]

    def run(self, gpus: int, fsdp: bool = False) -> RunPlan:
        """The plan of axolotl.yml, or of axolotl-fsdp.yml."""
        return self.plans[gpus].runs[1 if fsdp else 0]

    def days(self, gpus: int) -> float:
        return self.run(gpus).machines[0].days

    def gib_a_gpu(self, gpus: int, fsdp: bool = False) -> float:
        return self.run(gpus, fsdp).machines[0].memory.total / GIB

    def host_gb(self, gpus: int) -> float:
        """Of one machine of eight GPUs."""
        return self.run(gpus).machines[0].host / 1e9

    def gib_without_offload(self, gpus: int) -> float:
        """With weights and optimizer states on the GPUs; activations stay offloaded."""
        run = self.run(gpus)
        shape, longest = run.model.shape, int(run.facts.lengths.max())
        shards = Setup(
            gpus=gpus, shard_weights=True, shard_gradients=True, shard_optimizer=True, offload_activations=True,
            logits="answers",
        )  # fmt: skip
        return memory(shape, shards, longest, MOST_ANSWER_TOKENS).total / GIB


def costs_of(name: str, files: Mapping[str, str], counts: tuple[int, ...]) -> Costs:
    """Plan the files of a recipe that is not written yet."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, name)
        folder.mkdir()
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        return Costs({gpus: plan_recipe(RecipeFolder(folder), gpus=gpus, gpu=GPU) for gpus in counts})


def paper_gpu_days(examples: int) -> float:
    """The paper's GPU-days for as large a share of its full run."""
    return PAPER_GPU_DAYS * examples / PAPER_EXAMPLES
