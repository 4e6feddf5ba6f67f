"""Run the affordable recipes at reduced size: adapters in 16 and 4 bits, merging, YaRN, chat templates.

The differences from the recipes are `SMALL_BUILD` and `SMALL_TRAINING`: lengths, counts, device and number format.
"""

import json
import math
import os
from pathlib import Path

import pytest
import yaml

from in2_plugin.config import load_build_config
from in2_plugin.corpus.tokenizer import ModelTokenizer, load_tokenizer
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.recipe.planning.published_models import CONFIGS
from tests.support import vocabularies
from tests.support.axolotl_runs import train_all, witness
from tests.support.builds import Quiet
from tests.support.e2e_run import ROOT, run

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")
pytestmark = [pytest.mark.slow, pytest.mark.e2e_full]

MISTRAL, LLAMA, QWEN_8B = "mistralai/Mistral-7B-Instruct-v0.2", "meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-8B"
TRAINED = ("lora-80gb", "qlora-24gb", "yarn-64k")
BUILT = (*TRAINED, "llama-3.1-8b")
BASE_MODELS = {"lora-80gb": MISTRAL, "qlora-24gb": MISTRAL, "yarn-64k": QWEN_8B, "llama-3.1-8b": LLAMA}
SMALL_MODEL = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_window_layers": 2, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
SMALL_BUILD = {
    "corpus.sources": [{"path": "bundled:python-docs", "limit": 300}], "corpus.segment_tokens": 32,
    "questions": {"writer": "extractive"}, "mixture.total": 35, "mixture.shortfall": "rescale",
    "lengths.min": 256, "lengths.max": 512, "workers": 1,
}  # fmt: skip
SMALL_TRAINING = {
    "plugins": ["tests.support.cpu_shim.CPUShimPlugin", "in2_plugin.axolotl.IN2Plugin"],
    "sequence_len": 512, "max_steps": 2,
    "gradient_accumulation_steps": 2, "bf16": False, "fp16": False, "attn_implementation": "sdpa",
    "activation_offloading": False, "save_strategy": "no", "save_steps": None, "dataset_num_proc": 1,
    "learning_rate": 0.001, "lora_mlp_kernel": False, "lora_qkv_kernel": False, "lora_o_kernel": False,
}  # fmt: skip
LLAMA_TEMPLATE = (
    "{{ bos_token }}<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
    "Today Date: 26 Jul 2024\n\n<|eot_id|>"
    "{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n{{ m['content'] | trim }}<|eot_id|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
"""The output of Llama 3.1's template for a conversation without a system prompt or tools."""


def save_tokenizer(folder: Path, model: str, texts: list[str]) -> int:
    """Save a tokenizer with the model's turns and special tokens; return its vocabulary size."""
    if model == MISTRAL:
        tokenizer, template, ends = vocabularies.mistral(), None, {"bos_token": "<s>", "eos_token": "</s>"}
    elif model == LLAMA:
        special = [*vocabularies.LLAMA3_TOKENS, "<|finetune_right_pad_id|>"]
        tokenizer = vocabularies.byte_level(texts, vocabularies.LLAMA3_REGEX, special)
        template, ends = LLAMA_TEMPLATE, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
    else:
        from axolotl.utils.chat_templates import get_chat_template

        special = [*vocabularies.CHATML_TOKENS, "<think>", "</think>"]
        tokenizer = vocabularies.byte_level(texts, vocabularies.QWEN2_REGEX, special)
        template, ends = get_chat_template("qwen3"), {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    if model == MISTRAL:
        ends |= {"unk_token": "<unk>", "pad_token": "</s>"}
    vocabularies.save(tokenizer, folder, template, **ends)
    return tokenizer.get_vocab_size()


def save_model(folder: Path, model: str, texts: list[str]) -> Path:
    """Save a random model of two layers of the same architecture, with its tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    vocabulary = save_tokenizer(folder, model, texts)
    small = {key: value for key, value in SMALL_MODEL.items() if key in CONFIGS[model] or key == "head_dim"}
    (folder / "config.json").write_text(json.dumps({**CONFIGS[model], **small, "vocab_size": vocabulary}))
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def workshop(tmp_path_factory, documents) -> Path:
    """A tiny model of each kind, and datasets from the recipes' own build.yml."""
    pytest.importorskip("axolotl")
    folder = tmp_path_factory.mktemp("affordable")
    rows = [{"instruction": f"Say {i}.", "input": "", "output": f"It is {i}."} for i in range(50)]
    (folder / "instructions.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    texts = [document.text for document in documents[:200]]
    for model in set(BASE_MODELS.values()):
        save_model(folder / model, model, texts)
    for name in BUILT:
        here = {
            "tokenizer": str(folder / BASE_MODELS[name]),
            "output": str(folder / f"data/{name}"),
            "instructions.sources": [str(folder / "instructions.jsonl")],
        }
        build_dataset(load_build_config(ROOT / "recipes" / name / "build.yml", {**SMALL_BUILD, **here}), Quiet())
    return folder


def write_small(folder: Path, name: str) -> str:
    """Write a recipe's axolotl.yml at reduced size, without DeepSpeed: it runs in one process."""
    values = yaml.safe_load((ROOT / "recipes" / name / "axolotl.yml").read_text())
    values |= {**SMALL_TRAINING, "output_dir": f"out/{name}", "deepspeed": None}
    (folder / f"{name}.yml").write_text(
        yaml.safe_dump({key: value for key, value in values.items() if value is not None})
    )
    return name


@pytest.fixture(scope="module")
def trained(workshop) -> str:
    """Train all in one process; the output."""
    return train_all(workshop, [write_small(workshop, name) for name in TRAINED])


@pytest.mark.parametrize("name", TRAINED)
def test_each_trains(workshop, trained, name):
    losses = [entry for entry in witness(workshop, name)["logs"] if "loss" in entry]
    assert len(losses) == 2 and all(math.isfinite(entry["loss"]) and entry["grad_norm"] > 0 for entry in losses)


def test_logits_are_computed_only_at_answers(trained):
    assert trained.count("logits are computed only at answer tokens") == len(TRAINED)


def test_the_trained_model_keeps_its_rotary_embedding(workshop, trained):
    saved = json.loads((workshop / "out/yarn-64k/config.json").read_text())
    asked = yaml.safe_load((ROOT / "recipes/yarn-64k/axolotl.yml").read_text())["overrides_of_model_config"]
    assert {key: saved[key] for key in asked} == asked


def test_an_adapter_is_merged_as_the_readme_says(workshop, trained):
    import torch
    from transformers import AutoModelForCausalLM

    run("axolotl", "merge-lora", "lora-80gb.yml", cwd=workshop)
    before, after = (
        AutoModelForCausalLM.from_pretrained(workshop / name) for name in (MISTRAL, "out/lora-80gb/merged")
    )
    moved = [
        not torch.equal(old, new.to(old.dtype))
        for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True)
        if name.endswith("_proj.weight")
    ]
    assert moved and all(moved)


@pytest.mark.parametrize(
    ("name", "asked", "answered"),
    [
        ("yarn-64k", "<|im_start|>assistant\n<think>\n\n</think>\n\n", "<|im_end|>"),
        ("llama-3.1-8b", "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
        ("lora-80gb", " [/INST]", "</s>"),
    ],
)
def test_the_loss_is_on_what_the_model_generates(workshop, name, asked, answered):
    """The text before an answer is the prompt; for Qwen3 with the empty block of thinking switched off."""
    tokenizer = load_tokenizer(str(workshop / BASE_MODELS[name]))
    dataset = IN2Dataset(workshop / f"data/{name}", tokenizer)
    for row in dataset.rows():
        rendered = dataset.render(row)
        ((start, stop),) = rendered.answers
        assert tokenizer.decode(rendered.input_ids[:start]).endswith(asked)
        answer = tokenizer.decode(rendered.input_ids[start:stop])
        assert answer.strip() == row["turns"][0]["answer"].strip() + answered


def test_qwens_prompt_with_thinking_off_is_the_same(workshop):
    from transformers import AutoTokenizer

    pretrained = AutoTokenizer.from_pretrained(workshop / QWEN_8B)
    turns = [{"role": "user", "content": "Who?"}]
    kept = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
    prompt = pretrained.apply_chat_template(turns, **kept)
    answered = ModelTokenizer(pretrained).render_chat([*turns, {"role": "assistant", "content": "I."}])
    assert answered == f"{prompt}I.<|im_end|>\n"


def test_eval_prompts_as_in_training(workshop, trained):
    """Run the recipe's own eval.sh, with YaRN and without thinking, on two questions."""
    words = ["env", "TASKS=val_probe_database_4k", ROOT / "recipes/yarn-64k/eval.sh", "out/yarn-64k", "results"]
    run(*words, "--limit", 2, "--device", "cpu", "--log_samples", cwd=workshop)
    (samples,) = (workshop / "results").rglob("samples_*.jsonl")
    prompts = [str(json.loads(line)["arguments"]) for line in samples.read_text().splitlines()]
    assert len(prompts) == 2 and all(r"<think>\n\n</think>\n\n" in prompt for prompt in prompts)
