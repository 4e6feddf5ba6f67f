"""Make the inputs of benchmarks/training_data.py: a model, a dataset, its exports, and plans of many examples.

Everything is made with the programs that a user runs, except the plans of very many examples: they repeat the plans of
a small dataset, written by the same writer.
"""

import json
import subprocess
import sys
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import yaml
from measured import ENVIRONMENT

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
EXPORTS = ("messages", "axolotl", "prompt-completion")


def run(*command: object, cwd: Path) -> str:
    """Run a program and return its output; exit if it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=ENVIRONMENT, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-4_000:]}")
    return done.stdout


def make_model(folder: Path, window: int) -> Path:
    """Write a model with Mistral's vocabulary of 32,000 tokens and two layers of width 64 with random weights."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    from tests.support import vocabularies

    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
    vocabularies.save(vocabularies.mistral(), folder, TEMPLATE, **special)
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = MistralConfig(**shape, num_key_value_heads=2, max_position_embeddings=window, sliding_window=None)
    MistralForCausalLM(config).save_pretrained(folder)
    return folder


def build(output: Path, model: Path, *, examples: int, tokens: int, segment_tokens: int) -> Path:
    """Build a dataset of the bundled corpus, with 9/10 to all of `tokens` in each example."""
    integration = examples * 3 // 10
    config = {
        "output": str(output), "tokenizer": str(model),
        "corpus": {"segment_tokens": segment_tokens},
        "mixture": {"fine_grained": examples - integration, "integration": integration, "short_context": 0},
        "lengths": {"min": tokens * 9 // 10, "max": tokens},
    }  # fmt: skip
    file = output.with_suffix(".yml")
    file.write_text(yaml.safe_dump(config))
    run("in2", "build", file, cwd=output.parent)
    return output


def export(dataset: Path, form: str) -> Path:
    """Export the dataset to a folder named after the format."""
    folder = dataset.with_name(form)
    run("in2", "export", dataset, "--to", form, "-o", folder, cwd=dataset.parent)
    return folder


def repeated(dataset: Path, output: Path, examples: int) -> Path:
    """Write a dataset that repeats the plans of another one until it has `examples` of them."""
    from in2_plugin import layout
    from in2_plugin.corpus.store import SegmentStore
    from in2_plugin.dataset.plans import Plans, PlanWriter

    store = SegmentStore(dataset / "segments")
    plans = Plans(dataset / layout.PLANS, store)
    facts = json.loads((dataset / layout.PLANS / layout.PLAN_FACTS).read_text())
    output.mkdir()
    for path in dataset.iterdir():
        if path.name not in (layout.PLANS, "manifest.json"):
            (output / path.name).symlink_to(path)
    manifest = json.loads((dataset / "manifest.json").read_text())
    (output / "manifest.json").write_text(json.dumps(manifest | {"examples": examples}))
    heads = {head["text"]: head["ids"] for head in facts["heads"]}
    with PlanWriter(output / layout.PLANS, store, heads, facts["made_of"]) as writer:
        for plan in islice(cycle([plans.plan(i) for i in range(len(plans))]), examples):
            writer.add(plan)
    return output


def axolotl_file(folder: Path, name: str, model: Path, dataset: dict[str, Any], **changes: Any) -> Path:
    """Write `NAME.yml`, a config that trains on the CPU."""
    values = {
        "base_model": str(model), "datasets": [dataset], "dataset_prepared_path": str(folder / f"{name}-prepared"),
        "output_dir": str(folder / f"{name}-out"), "sequence_len": 32_768, "micro_batch_size": 1, "num_epochs": 1,
        "max_steps": 1, "save_strategy": "no", "logging_steps": 1, "learning_rate": 0.001, "optimizer": "adamw_torch",
        "attn_implementation": "sdpa", "bf16": False, "fp16": False, "seed": 42, "dataset_num_proc": 1,
    }  # fmt: skip
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(values | changes))
    return path


def size_of(folder: Path) -> int:
    """Return the bytes of all files under a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
