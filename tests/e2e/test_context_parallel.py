"""Rows split over two ranks give the losses, gradients and figures of one rank, with the real Axolotl 0.21."""

from pathlib import Path

import pytest
import yaml

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


@pytest.mark.e2e_full
def test_the_recipe_trains_under_zero_3_as_whole_rows(folder):
    """Reduce the files of yarn-64k; DeepSpeed splits the rows in its loader."""
    pytest.importorskip("deepspeed")
    recipe = find_recipe("yarn-64k").path
    # gloo gathers only rows of equal length
    for name, changes in (
        ("axolotl", {"deepspeed": None}),
        ("axolotl-context-parallel", {"context_parallel_size": 2, "pad_to_sequence_len": True}),
    ):
        values = reduced_axolotl(
            recipe / f"{name}.yml", folder / "model", folder / "data/in2", sequence_len=CONFIG["sequence_len"],
            output_dir=f"out/{name}", auto_resume_from_checkpoints=None, save_steps=None, save_total_limit=None,
            **STEP, **changes,
        )  # fmt: skip
        (folder / f"{name}.yml").write_text(yaml.safe_dump(values))
    train_all(folder, ["axolotl"])
    train(folder, "axolotl-context-parallel", ranks=2)
    split = witness(folder, "axolotl-context-parallel")
    assert split["zero"]
    require_same(witness(folder, "axolotl"), split)
