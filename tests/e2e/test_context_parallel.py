"""Rows split over two ranks give the losses, gradients and figures of one rank, with the real Axolotl 0.21."""

from pathlib import Path

import pytest
import yaml
from transformers import AutoTokenizer

from in2_plugin import IN2Dataset
from in2_plugin.recipe.folder import find_recipe
from in2_plugin.training.axolotl.context_parallel import uses_ring_flash_attn
from tests.support.axolotl_runs import CONFIG, train, train_all, witness, write
from tests.support.reduced_recipes import reduced_axolotl

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(uses_ring_flash_attn(), reason="ring-flash-attn of Axolotl 0.19 needs a GPU"),
]

STEP = {
    "micro_batch_size": 1, "gradient_accumulation_steps": 4, "max_steps": 3, "val_set_size": 8, "eval_steps": 3,
    "eval_batch_size": 1, "save_strategy": "no", "in2": {"length_balanced": False},
}  # fmt: skip
"""Four examples per step, evaluated before and after three steps."""


@pytest.fixture(scope="module")
def folder(workshop, tmp_path_factory) -> Path:
    """The folder of all runs of this module."""
    folder = tmp_path_factory.mktemp("split")
    for name in ("model", "data"):
        (folder / name).symlink_to(workshop / name)
    return folder


def figures(seen: dict) -> list[dict[str, float]]:
    """Return what the log says of each step and evaluation, without times."""
    names = ("loss", "eval_loss", "grad_norm", "in2/", "eval_in2/")
    return [{key: value for key, value in entry.items() if key.startswith(names)} for entry in seen["logs"][:-1]]


def require_same(whole: dict, split: dict) -> None:
    """Check every figure of the log: two evaluations, and three steps with loss by depth."""
    assert (whole["ranks"], split["ranks"]) == (1, 2)
    expected, found = figures(whole), figures(split)
    assert len(expected) == 5 and any("in2/loss_depth_00_20" in entry for entry in expected)
    assert found == [pytest.approx(entry, rel=2e-4) for entry in expected]


def test_rows_split_by_ringmaster_train_as_whole_rows(folder):
    pytest.importorskip("ringmaster")
    write(folder, "whole", **STEP)
    train_all(folder, ["whole"])
    write(folder, "split", **STEP, context_parallel_size=2)
    log = train(folder, "split", ranks=2)
    assert "logits are computed only at answer tokens" in log
    require_same(witness(folder, "whole"), witness(folder, "split"))


def write_recipe(folder: Path, file: str, name: str, **changes) -> None:
    """Write a file of yarn-64k, reduced, as `NAME.yml` with `out/NAME` as its output folder."""
    values = reduced_axolotl(
        find_recipe("yarn-64k").path / f"{file}.yml", folder / "model", folder / "data/in2", output_dir=f"out/{name}",
        **{"sequence_len": CONFIG["sequence_len"], "auto_resume_from_checkpoints": None, "save_total_limit": None}
        | changes,
    )  # fmt: skip
    (folder / f"{name}.yml").write_text(yaml.safe_dump(values))


DEEPSPEED = {"context_parallel_size": 2, "pad_to_sequence_len": True}
"""Gloo gathers only rows of equal length."""


@pytest.mark.e2e_full
def test_the_recipe_trains_under_zero_3_as_whole_rows(folder):
    """DeepSpeed splits the rows in its loader."""
    pytest.importorskip("deepspeed")
    write_recipe(folder, "axolotl", "zero-whole", **STEP, deepspeed=None, save_steps=None)
    write_recipe(folder, "axolotl-context-parallel", "zero-split", **STEP, **DEEPSPEED, save_steps=None)
    train_all(folder, ["zero-whole"])
    train(folder, "zero-split", ranks=2)
    split = witness(folder, "zero-split")
    assert split["zero"]
    require_same(witness(folder, "zero-whole"), split)


@pytest.mark.e2e_full
def test_the_recipe_reads_every_example_in_each_epoch_and_resumes_within_one(folder):
    """An epoch of 42 examples has 14 steps; step 17 ends between the two micro-batches of a batch."""
    pytest.importorskip("deepspeed")
    epochs = {"gradient_accumulation_steps": 3, "num_epochs": 2, "max_steps": None, "learning_rate": 0.002}
    write_recipe(folder, "axolotl-context-parallel", "epochs", **epochs, **DEEPSPEED, save_steps=17)
    resumed = {"resume_from_checkpoint": "out/epochs/checkpoint-17", "save_steps": 17}
    write_recipe(folder, "axolotl-context-parallel", "epochs-resumed", **epochs, **DEEPSPEED, **resumed)
    for name in ("epochs", "epochs-resumed"):
        train(folder, name, ranks=2)
    whole, resumed = witness(folder, "epochs"), witness(folder, "epochs-resumed")
    assert (whole["steps"], resumed["steps"]) == (28, 11)
    tokens = [entry["in2/answer_tokens_per_step"] for entry in whole["logs"][:-1]]
    assert sum(tokens[:14]) == sum(tokens[14:]) == answer_tokens(folder)
    assert figures(resumed) == [pytest.approx(entry, rel=2e-4) for entry in figures(whole)]


def answer_tokens(folder: Path) -> int:
    """Return the answer tokens of the dataset, which has an even number of examples, so that no rank repeats one."""
    dataset = IN2Dataset(folder / "data/in2", AutoTokenizer.from_pretrained(folder / "model"))
    labels = [dataset.render(row).labels for row in dataset.rows()]
    assert len(labels) == 42
    return sum(int((each != -100).sum()) for each in labels)
