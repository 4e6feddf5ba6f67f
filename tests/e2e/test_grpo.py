"""The real TRL and the real Axolotl train with GRPO on prompts of ours, with our rewards, on the CPU."""

import json
from pathlib import Path

import pytest
import yaml
from transformers import AutoTokenizer

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.prompts import COLUMNS, QuestionPrompts
from tests.support.axolotl_runs import witness
from tests.support.e2e_run import run
from tests.support.reward_watch import read_seen

pytestmark = pytest.mark.slow

REWARDS = [f"in2_plugin.rewards.{name}" for name in ("answer", "exact_answer", "grounding", "format")]
WATCHED = [*REWARDS, "tests.support.reward_watch.watch"]
WINDOW, COMPLETION = 720, 90
WRITTEN = 9
"""Tokens of each completion under Axolotl, set by the keys that it drops."""
AXOLOTL = {
    "base_model": "model",
    "plugins": ["tests.support.cpu_shim.CPUShimPlugin", "in2_plugin.axolotl.IN2Plugin"],
    "datasets": [{"path": "data/in2", "type": "in2"}],
    "rl": "grpo",
    "trl": {
        "reward_funcs": WATCHED,
        "num_generations": 2,
        "max_completion_length": COMPLETION,
        "beta": 0.0,
        "generation_kwargs": {"min_new_tokens": WRITTEN, "max_new_tokens": WRITTEN},
    },
    "in2": {"number_segments": True},
    "output_dir": "out/grpo",
    "sequence_len": WINDOW,
    "micro_batch_size": 2,
    "max_steps": 2,
    "logging_steps": 1,
    "save_strategy": "no",
    "learning_rate": 0.002,
    "optimizer": "adamw_torch",
    "attn_implementation": "sdpa",
    "bf16": False,
    "fp16": False,
    "seed": 42,
}
TRL = {
    "model_name_or_path": "model",
    "dataset_name": "prompts",
    "reward_funcs": WATCHED,
    "num_generations": 2,
    "max_completion_length": COMPLETION,
    "output_dir": "out",
    "per_device_train_batch_size": 2,
    "max_steps": 2,
    "logging_steps": 1,
    "save_strategy": "steps",
    "save_steps": 2,
    "learning_rate": 0.002,
    "attn_implementation": "sdpa",
    "dtype": "float32",
    "bf16": False,
    "use_cpu": True,
    "report_to": "none",
    "seed": 42,
}


@pytest.fixture
def folder(workshop, tmp_path) -> Path:
    for name in ("model", "data"):
        (tmp_path / name).symlink_to(workshop / name)
    return tmp_path


def assert_prompts_of_ours(folder: Path, limit: int) -> None:
    """Compare what the reward functions got with the dataset: two groups of two completions."""
    tokenizer = ModelTokenizer(AutoTokenizer.from_pretrained(folder / "model"))
    prompts = QuestionPrompts.open(folder / "data/in2", tokenizer, number_segments=True)
    expected = {json.dumps(one) for row in prompts.dataset.rows() for one in prompts.each(row)}
    seen = read_seen(folder)
    given = [json.dumps({name: row[name] for name in COLUMNS}) for row in seen]
    assert len(given) == 4 and len(set(given)) == 2
    assert all(len(row["completion"]) == 1 and row["prompt_tokens"] <= limit for row in seen)
    assert {_rounded(one) for one in given} <= {_rounded(one) for one in expected}


def _rounded(row: str) -> str:
    """Round the depth to the precision of an export."""
    values = json.loads(row)
    return json.dumps({**values, "depth": values["depth"] and round(values["depth"], 5)})


def assert_trained(logs: list[dict]) -> None:
    steps = [entry for entry in logs if "reward" in entry]
    assert len(steps) == 2
    for entry in steps:
        for name in REWARDS:
            assert 0 <= entry[f"rewards/{name.rpartition('.')[2]}/mean"] <= 1
    assert any(entry["grad_norm"] > 0 for entry in steps)


def test_axolotl_assembles_prompts_and_calls_our_rewards(folder):
    pytest.importorskip("axolotl")
    (folder / "config.yml").write_text(yaml.safe_dump(AXOLOTL))
    output = run("axolotl", "train", "config.yml", "--launcher", "python", cwd=folder)
    assert " prompts, which are assembled when the trainer reads them; left out: " in output
    assert f"in2: completions: up to {COMPLETION} tokens" in output
    assert_prompts_of_ours(folder, WINDOW - COMPLETION)
    logs = witness(folder, "grpo")["logs"]
    assert_trained(logs)
    lengths = [(one["completions/min_length"], one["completions/max_length"]) for one in logs if "reward" in one]
    assert lengths == [(WRITTEN, WRITTEN)] * 2


@pytest.mark.e2e_full
def test_trl_trains_on_an_export(folder):
    limit = WINDOW - COMPLETION
    command = ("in2", "export", "data/in2", "--to", "grpo", "--number-segments", "--max-prompt-tokens", limit)
    run(*command, "--tokenizer", "model", "-o", "prompts", cwd=folder)
    (folder / "grpo.yml").write_text(yaml.safe_dump(TRL))
    run("trl", "grpo", "--config", "grpo.yml", cwd=folder)
    assert_prompts_of_ours(folder, limit)
    state = json.loads((folder / "out/checkpoint-2/trainer_state.json").read_text())
    assert_trained(state["log_history"])
