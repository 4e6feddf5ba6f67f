"""The real Axolotl and the real TRL distil on the CPU, from stored scores and from the model in training."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT, axolotl_runs, trl_runs
from tests.support.distillation import copied, distilled_dataset
from tests.support.e2e_run import run
from tests.support.example_watch import seen, steps
from tests.support.taught import teacher_folder

pytestmark = pytest.mark.slow

CURRENT = {"objective": "distill", "distill": {"teacher": "current"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("objectives")
    (folder / "model").symlink_to(teacher_folder())
    (folder / "data").symlink_to(distilled_dataset().parent)
    return folder


def assert_distilled(logs: list[dict], weight: float | None) -> None:
    """Check two steps: the loss is the sum of its parts, and the divergence is there by depth."""
    trained = [entry for entry in logs if "loss" in entry]
    assert len(trained) == 2
    for entry in trained:
        answer, kl = entry["in2/loss_answer"], entry["in2/kl"]
        expected = kl if weight is None else answer + weight * kl
        assert entry["loss"] == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert any(entry["in2/kl"] > 1e-4 for entry in trained)
    assert any(name.startswith("in2/kl_depth_") for entry in trained for name in entry)


def test_axolotl_distils_in_packed_rows(folder):
    pytest.importorskip("axolotl")
    options = {"objective": "both", "distill": {"weight": 0.5}}
    axolotl_runs.write(folder, "packed", in2=options, sample_packing=True, sequence_len=1_024, max_steps=2)
    output = axolotl_runs.train(folder, "packed")
    assert "distils from the stored scores `initial` of tiny" in output
    assert_distilled(axolotl_runs.witness(folder, "packed")["logs"], 0.5)


def test_in2_sft_distils_from_the_model_in_training(folder):
    trl_runs.write(folder, "sft", **CURRENT, max_steps=2, save_strategy="steps", save_steps=2)
    output = run("in2", "sft", "--config", "sft.yml", "--num_processes", "1", cwd=folder)
    assert "in2: distils from the model in training, which reads the gold rows" in output
    state = json.loads((folder / "out/sft/checkpoint-2/trainer_state.json").read_text())
    assert_distilled(state["log_history"], None)


@pytest.mark.e2e_full
def test_ranks_and_zero_3_take_the_same_steps(folder):
    """Both ranks read gold rows of their own, with parameters that ZeRO-3 has divided."""
    in_order = {**CURRENT, "length_balanced": False}
    trl_runs.write(folder, "alone", **in_order)
    trl_runs.train_all(folder, ["alone"])
    each = {**in_order, "per_device_train_batch_size": 1}
    trl_runs.write(folder, "two", **each)
    trl_runs.write(folder, "zero", **each, deepspeed=trl_runs.ZERO3)
    trl_runs.train_all(folder, ["two"], ranks=2)
    trl_runs.train_all(folder, ["zero"], ranks=2)
    expected = [pytest.approx(step, rel=2e-4) for step in steps(seen(folder, "alone"))]
    assert len(expected) == 3 and seen(folder, "zero")["zero"]
    assert steps(seen(folder, "two")) == expected
    assert steps(seen(folder, "zero")) == expected


@pytest.mark.e2e_full
def test_two_ranks_switch_the_adapter_off(folder):
    """Without stored scores, the teacher is the model below the adapter, also where DDP wraps it."""
    shutil.rmtree(copied(folder / "unscored") / "teacher")
    lora = {"use_peft": True, "lora_r": 4, "lora_dropout": 0.0, "lora_target_modules": ["q_proj", "v_proj"]}
    settings = {**lora, "objective": "distill", "length_balanced": False, "learning_rate": 0.05,
                "datasets": [{"path": "in2", "data_dir": "unscored/in2"}]}  # fmt: skip
    trl_runs.write(folder, "lora", **settings)
    output = trl_runs.train_all(folder, ["lora"])
    assert "in2: distils from the model without its adapter, which reads the gold rows" in output
    trl_runs.write(folder, "lora-ranks", **settings, per_device_train_batch_size=1)
    trl_runs.train_all(folder, ["lora-ranks"], ranks=2)
    expected = [pytest.approx(step, rel=2e-4) for step in steps(seen(folder, "lora"))]
    assert len(expected) == 3 and steps(seen(folder, "lora-ranks")) == expected


@pytest.mark.e2e_full
def test_fsdp2_takes_the_same_steps(folder):
    pytest.importorskip("axolotl")
    _, fsdp2 = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/distributed.md").read_text(encoding="utf-8"), re.DOTALL)
    settings = {"in2": {**CURRENT, "length_balanced": False}, "sequence_len": 1_024}
    axolotl_runs.write(folder, "whole", **settings, micro_batch_size=4)
    axolotl_runs.train_all(folder, ["whole"])
    axolotl_runs.write(folder, "fsdp2", **settings, micro_batch_size=2, **yaml.safe_load(fsdp2))
    axolotl_runs.train(folder, "fsdp2", ranks=2)
    expected, found = (axolotl_runs.steps(axolotl_runs.witness(folder, name)) for name in ("whole", "fsdp2"))
    assert len(expected) == 3 and found == [pytest.approx(step, rel=2e-4) for step in expected]
