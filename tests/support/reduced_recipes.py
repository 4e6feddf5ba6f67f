"""Reduce recipes for the CPU: their own files with a few overrides, a tiny model of the family, a tiny dataset.

OVERRIDES is the complete list of changes to a recipe. Runs share processes (`axolotl_runs.py`, `trl_runs.py`), because
a start costs 15 s of imports.
"""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from tests.support import vocabularies
from tests.support.builds import Quiet

MODEL_IS_MADE = {"smoke", "smollm2-135m", "smollm2-135m-4k"}
"""Recipes whose model is a folder that their own commands write; no published config describes it."""
STEPS = 2
LENGTH = 384
"""Tokens of the longest example."""
MODEL = {
    "vocab_size": 2_000, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 1_024,
    "initializer_range": 0.2,  # ten times the usual, so that losses of different tokens are far apart
}  # fmt: skip
LLAMA_TOKENS = [*vocabularies.LLAMA3_TOKENS, "<|finetune_right_pad_id|>"]
FAMILIES = {
    "mistralai/Mistral": (
        "mistral", ["<unk>", "<s>", "</s>"], {"bos": "<s>", "eos": "</s>", "pad": "</s>"}, "mistral_v1"
    ),
    "meta-llama/Llama-3": ("llama", LLAMA_TOKENS, {"bos": "<|begin_of_text|>", "eos": "<|eot_id|>"}, "llama3"),
    "Qwen/Qwen3": ("qwen3", vocabularies.MODELS["qwen3"][1], {"eos": "<|im_end|>", "pad": "<|endoftext|>"}, "qwen3"),
}  # fmt: skip
"""By prefix of the base model's name: model type, special tokens, their roles, Axolotl's chat template."""
OVERRIDES: Mapping[str, Any] = {
    # size
    "sequence_len": LENGTH, "max_steps": STEPS, "num_epochs": 99,
    # keys that need a GPU
    "bf16": False, "fp16": False, "attn_implementation": "sdpa", "activation_offloading": False,
    "load_in_4bit": None, "context_parallel_size": None,
    "lora_mlp_kernel": False, "lora_qkv_kernel": False, "lora_o_kernel": False,
    # for the checks
    "logging_steps": 1, "dataset_prepared_path": "prepared", "dataset_num_proc": 1,
}  # fmt: skip
"""Changes to an Axolotl file, besides the paths of model, dataset and output; None removes a key."""
ON_PROMPTS: Mapping[str, Any] = {
    "sequence_len": 720, "vllm": None, "gradient_accumulation_steps": 2,
    "trl": {"use_vllm": False, "vllm_mode": None, "num_generations": 2, "max_completion_length": 96},
}  # fmt: skip
"""Further changes to an Axolotl file for GRPO; those of `trl` are merged into its section."""
SHIM = "tests.support.cpu_shim.CPUShimPlugin"
TRL_OVERRIDES: Mapping[str, Any] = {
    "max_steps": STEPS, "bf16": False, "dtype": "float32", "use_cpu": True, "attn_implementation": "sdpa",
    "accelerate_config": None, "env": {"ACCELERATE_TORCH_DEVICE": "cpu"}, "logging_steps": 1, "save_strategy": "no",
}  # fmt: skip
"""Changes to a TRL file; it also gets the DeepSpeed config of accelerate.yml, which accelerate uses only with GPUs."""


def family(base_model: str) -> str:
    """Return a model's key of FAMILIES; `model` of MODEL_IS_MADE is a Mistral."""
    return next((name for name in FAMILIES if base_model.startswith(name)), "mistralai/Mistral")


def chat_template(name: str) -> str:
    """Return one of Axolotl's chat templates without importing Axolotl, which takes 15 s."""
    (package,) = find_spec("axolotl").submodule_search_locations
    return Path(package, "utils/chat_templates/templates", f"{name}.jinja").read_text(encoding="utf-8")


def save_model(folder: Path, name: str) -> Path:
    """Save a tiny random model of a family with its own tokenizer. Takes about a second."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from in2_plugin.probing.probes.items import read_items
    from in2_plugin.probing.probes.registry import PROBES

    kind, special, roles, template = FAMILIES[name]
    texts = [item.text for each in PROBES.values() for item in read_items(each)[:500]]
    tokenizer = vocabularies.byte_level(texts, vocabularies.QWEN2_REGEX, special, vocab_size=MODEL["vocab_size"])
    settings = {f"{role}_token": token for role, token in roles.items()}
    vocabularies.save(tokenizer, folder, chat_template(template), **settings)
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **MODEL, sliding_window=None, bos_token_id=None, eos_token_id=None)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def build_data(folder: Path, model: Path, recipe: Path, chats: Path) -> None:
    """Build the recipe's data at reduced size, with the extractive writer and the bundled corpus."""
    from in2_plugin.config import BuildConfig
    from in2_plugin.pipeline.build import build_dataset

    said = yaml.safe_load((recipe / "build.yml").read_text(encoding="utf-8"))
    shares = {**said["mixture"], "total": 64, "shortfall": "rescale"}
    corpus = {"segment_tokens": 32, "sources": [{"path": "bundled:python-docs", "limit": 300}]}
    values = {
        **said, "output": str(folder), "tokenizer": str(model), "workers": 1, "questions": {"writer": "extractive"},
        "mixture": shares, "corpus": corpus, "lengths": {"min": 128, "max": LENGTH},
        "instructions": {"sources": [str(chats)]} if said["mixture"].get("general") else {},
    }  # fmt: skip
    build_dataset(BuildConfig.parse(values, str(recipe)), Quiet())


def reduced_axolotl(file: Path, model: Path, data: Path, **changes: Any) -> dict[str, Any]:
    """Return a recipe's Axolotl file with OVERRIDES."""
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    values = {**said, **OVERRIDES, "base_model": str(model)}
    values["plugins"] = [SHIM, *said["plugins"]]
    values["datasets"] = [{**entry, "path": str(data)} for entry in said["datasets"]]
    if said.get("adapter") == "qlora":
        values["adapter"] = "lora"
    if "deepspeed" in said:
        values["deepspeed"] = reduced_deepspeed(file.parent / said["deepspeed"])
    if "fsdp_config" in said:
        # accelerate offloads to pinned memory, which needs a GPU
        values["fsdp_config"] = {**said["fsdp_config"], "offload_params": False, "cpu_ram_efficient_loading": False}
    if "rl" in said:
        values |= {**ON_PROMPTS, "trl": {**said["trl"], **ON_PROMPTS["trl"]}}
    return {key: value for key, value in {**values, **changes}.items() if value is not None}


def reduced_deepspeed(file: Path) -> dict[str, Any]:
    """Return the DeepSpeed config in float32, without the CPU AdamW that is compiled at first use; offload stays."""
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {**said, "bf16": {"enabled": False}, "zero_force_ds_cpu_optimizer": False}


def reduced_trl(file: Path, model: Path, data: Path) -> dict[str, Any]:
    """Return a recipe's TRL file with TRL_OVERRIDES."""
    from in2_plugin.recipe.training_file import read_training_file

    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    values = {**said, **TRL_OVERRIDES, "model_name_or_path": str(model)}
    values["datasets"] = [{**entry, "data_dir": str(data)} for entry in said["datasets"]]
    zero = read_training_file(file).cfg.deepspeed
    if zero:
        auto = (
            "gradient_accumulation_steps",
            "gradient_clipping",
            "train_batch_size",
            "train_micro_batch_size_per_gpu",
        )
        values["deepspeed"] = {**zero, "zero_force_ds_cpu_optimizer": False, **dict.fromkeys(auto, "auto")}
    return {key: value for key, value in values.items() if value is not None}


def workshop(folder: Path, recipes: list[Path]) -> dict[str, tuple[Path, Path]]:
    """Return (model, dataset) of each recipe by name; recipes with equal tokenizers and mixtures share them."""
    chats = folder / "chats.jsonl"
    turns = [[{"role": "user", "content": f"Say {i}."}, {"role": "assistant", "content": f"It is {i}."}]
             for i in range(100)]  # fmt: skip
    chats.write_text("".join(json.dumps({"messages": said}) + "\n" for said in turns), encoding="utf-8")
    models: dict[str, Path] = {}
    data: dict[tuple[object, ...], Path] = {}
    places = {}
    for recipe in recipes:
        said = yaml.safe_load((recipe / "build.yml").read_text(encoding="utf-8"))
        name = family(said["tokenizer"])
        if name not in models:
            models[name] = save_model(folder / f"model-{len(models)}", name)
        key = (name, said.get("template"), said.get("positions"), tuple(map(bool, said["mixture"].values())))
        if key not in data:
            data[key] = folder / f"data-{len(data)}"
            build_data(data[key], models[name], recipe, chats)
        places[recipe.name] = (models[name], data[key])
    return places
