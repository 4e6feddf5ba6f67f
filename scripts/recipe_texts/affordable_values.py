"""What the templates of the affordable recipes are filled with.

Invariant: a reason (`..._why`) says what is special about this recipe, so that no remark is true of another one only.
"""

import json
from dataclasses import replace
from typing import Any

from in2_plugin.preflight.costs import Setup
from recipe_texts.affordable_costs import gib_a_gpu
from recipe_texts.affordable_table import LLAMA, MISTRAL, NATIVE, QWEN_4B, QWEN_8B, Recipe
from recipe_texts.affordable_texts import STORIES

MODEL_WHY = {
    MISTRAL: "section 2.2; 7.2B weights, 32K positions, no sliding window",
    LLAMA: "8.0B weights, 128K positions",
    QWEN_4B: "4.0B weights, 40,960 positions; thinks or does not",
    QWEN_8B: "8.2B weights, 40,960 positions; thinks or does not",
}
TEMPLATE_WHY = {
    LLAMA: "the model's own, with the fixed date that it writes",
    QWEN_4B: "the model's own; its empty block of thoughts stands in the prompt, without loss",
    QWEN_8B: "the model's own; its empty block of thoughts stands in the prompt, without loss",
}
EIGHT = "--launcher torchrun -- --standalone --nproc_per_node 8"


def values_of(recipe: Recipe, in_parts: int = 0) -> dict[str, Any]:
    """Names and values of all templates; with `in_parts`, of the file for context parallelism."""
    story = STORIES[recipe.name]
    trainer_file = "sft.yml" if recipe.trl else "axolotl-context-parallel.yml" if in_parts else "axolotl.yml"
    return {
        "name": recipe.name,
        "title": story.title,
        "what": story.what + (", each row spread over several GPUs" if in_parts else ""),
        "model": recipe.model,
        "model_from": "paper" if recipe.model == MISTRAL else "ours",
        "model_why": MODEL_WHY[recipe.model],
        "film": recipe.film,
        "template_why": TEMPLATE_WHY.get(recipe.model),
        "thinking": recipe.model.startswith("Qwen/Qwen3"),
        "pad_token": "<|finetune_right_pad_id|>" if recipe.model == LLAMA else None,
        "trl": recipe.trl,
        "trainer_file": trainer_file,
        "launch": _launch(recipe, trainer_file),
        "out": "out",
        "layers": recipe.shape.layers,
        "gpus": recipe.gpus,
        "longest": recipe.longest,
        "has_parts": bool(recipe.in_parts),
        "in_parts": in_parts,
        "batch": recipe.batch,
        "rate": recipe.rate,
        "rate_why": recipe.rate_why,
        "save_steps": 50,
        "gpu": {24: "RTX-4090", 80: "A100-80G"}[recipe.card],
        "accumulation": recipe.accumulation * max(1, in_parts),
        "batch_why": _batch_why(recipe, in_parts),
        "offload": recipe.offload and not in_parts,
        "offload_why": _offload_why(recipe, in_parts),
        **_rope(recipe),
        **_adapter(recipe),
        **_data(recipe),
        **_evaluation(recipe),
    }


def _launch(recipe: Recipe, file: str) -> str:
    if recipe.trl:
        return f"in2 sft --config {file}"
    return f"axolotl train {file}" + (f" {EIGHT}" if recipe.gpus > 1 else "")


def _batch_why(recipe: Recipe, in_parts: int) -> str:
    times = f"1 x {recipe.accumulation * max(1, in_parts)} x {recipe.gpus} GPU{'s' if recipe.gpus > 1 else ''}"
    if in_parts:
        times += f" / {in_parts} a row"
    return f"{times} = {recipe.batch} examples, {recipe.steps} steps; the paper has 128, and 137 steps at 1%"


def _offload_why(recipe: Recipe, in_parts: int) -> str:
    if in_parts:
        return "a GPU has a part of each row"
    both = (gib_a_gpu(recipe.shape, setup, recipe.longest) for setup in _with_and_without(recipe))
    with_it, without = (f"{gib:.0f}" for gib in both)
    return f"{with_it} GiB a GPU with it, {without} without (computed)"


def _with_and_without(recipe: Recipe) -> tuple[Setup, Setup]:
    return replace(recipe.setup, offload_activations=True), replace(recipe.setup, offload_activations=False)


def _rope(recipe: Recipe) -> dict[str, Any]:
    """YaRN as transformers 5 reads it, in YAML and in JSON."""
    if recipe.factor == 1:
        return {"rope": None}
    parts = {
        "rope_type": "yarn",
        "rope_theta": 1_000_000.0,
        "factor": float(recipe.factor),
        "original_max_position_embeddings": NATIVE,
    }
    return {
        "rope": "{" + ", ".join(f"{key}: {value}" for key, value in parts.items()) + "}",
        "rope_json": json.dumps(parts),
        "rope_why": f"YaRN, factor {recipe.factor} of the native {NATIVE:,}, as Qwen3's card has it",
        "positions_why": f"{recipe.factor} x {NATIVE:,}",
    }


def _adapter(recipe: Recipe) -> dict[str, Any]:
    if not recipe.rank:
        return {"adapter": None}
    return {
        "adapter": "qlora" if recipe.four_bits else "lora",
        "adapter_why": "14.5 GB of weights are 3.8 GB in 4 bits" if recipe.four_bits else "weights stay as they are",
        "rank": recipe.rank,
        "rank_why": "not searched; a larger one for as many tokens as these costs little memory",
        "alpha": recipe.rank,
        "alpha_why": "as large as lora_r, so that the rate alone sets the step",
    }


def _data(recipe: Recipe) -> dict[str, Any]:
    tokens = recipe.documents * 600 / 1e6
    share = "1% of the four above" if recipe.examples == 17_500 else "0.5% of the four above, for the cost"
    within = {
        16_384: ("ours", "24 GB hold 32K only with offloaded activations; see README.md"),
        NATIVE: ("paper", "section 2.1"),
    }
    came_from, why = within.get(recipe.longest, ("ours", f"{recipe.factor} x the native window"))
    return {
        "data_what": f"{recipe.examples:,} IN2 examples for {recipe.model}",
        "documents": recipe.documents,
        "documents_why": f"{tokens:,.0f}M tokens of the paper's 600 a text; fillers are used one to three times",
        "examples": recipe.examples,
        "examples_from": "paper" if recipe.examples == 17_500 else "ours",
        "examples_why": f"Table 6, {share}" if recipe.examples == 17_500 else share,
        "longest_from": came_from,
        "longest_why": why,
    }


def _evaluation(recipe: Recipe) -> dict[str, Any]:
    exact = recipe.film and recipe.longest == NATIVE
    return {
        "tasks": recipe.tasks,
        "window": recipe.longest if exact else recipe.longest + 64,
        "trained": "out/merged" if recipe.rank else "out",
        "form": """--metadata '{"probe_template": "film"}'""" if recipe.film else "--apply_chat_template",
    }
