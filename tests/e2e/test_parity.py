"""TRL and Axolotl read the same batches and compute the same losses for one dataset and seed."""

import pytest

from tests.support import axolotl_runs, trl_runs
from tests.support.example_watch import seen, steps

pytestmark = [pytest.mark.slow, pytest.mark.e2e_full]

SAME = {"learning_rate": 0.002, "weight_decay": 0.0, "warmup_steps": 0, "max_steps": 4, "seed": 42}
BATCH = {"gradient_accumulation_steps": 2}


@pytest.fixture(scope="module")
def runs(workshop, tmp_path_factory) -> dict[str, dict]:
    """Four steps of two micro-batches of two examples, with each trainer."""
    folder = tmp_path_factory.mktemp("parity")
    for name in ("model", "data"):
        (folder / name).symlink_to(workshop / name)
    watched = {
        "plugins": ["tests.support.axolotl_watch.WatchPlugin", "in2_plugin.axolotl.IN2Plugin"],
        "dataloader_num_workers": 0,
    }
    cut = {"micro_batch_size": 2, "lr_scheduler": "constant"}
    axolotl_runs.write(folder, "axolotl", **SAME, **BATCH, **cut, **watched, in2={"lazy": True})
    trl_runs.write(folder, "trl", **SAME, **BATCH, per_device_train_batch_size=2, lr_scheduler_type="constant")
    axolotl_runs.train(folder, "axolotl")
    trl_runs.train_all(folder, ["trl"])
    return {name: seen(folder, name) for name in ("axolotl", "trl")}


def test_batches_are_equal(runs):
    assert len(set(runs["trl"]["read"][:16])) == 16
    assert runs["trl"]["read"][:16] == runs["axolotl"]["read"][:16]


def test_losses_are_equal(runs):
    ours, other = steps(runs["trl"]), steps(runs["axolotl"])
    assert len(ours) == len(other) == 4
    assert [loss for loss, _ in ours] == pytest.approx([loss for loss, _ in other], abs=1e-5)
    assert [norm for _, norm in ours] == pytest.approx([norm for _, norm in other], rel=1e-3)


def test_statistics_are_equal(runs):
    """Compare loss by depth and part and answer tokens per step; the trainers compute logits differently."""
    found = [
        [{key: value for key, value in entry.items() if key.startswith("in2/")} for entry in runs[name]["logs"]]
        for name in ("trl", "axolotl")
    ]
    assert any(key.startswith("in2/loss_depth_") for key in found[0][0])
    assert found[0] == [pytest.approx(entry, rel=1e-3) for entry in found[1]]
