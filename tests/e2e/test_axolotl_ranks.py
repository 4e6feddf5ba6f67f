"""The real Axolotl takes the same steps on one and two ranks, for any batch split and model sharding."""

import re
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from tests.support.axolotl_runs import steps, train, train_all, witness, write
from tests.support.e2e_run import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.e2e_full]

CUTS = ((4, 1), (2, 2), (1, 4))
"""(micro-batch, accumulation) for four examples per step on one rank."""
GUIDE = (ROOT / "docs/distributed.md").read_text(encoding="utf-8")
ZERO3, FSDP2 = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL))
"""The settings in the guide."""


@pytest.fixture(scope="module")
def folder(workshop, tmp_path_factory) -> Path:
    """The folder of all runs of this module."""
    folder = tmp_path_factory.mktemp("ranks")
    for name in ("model", "data"):
        (folder / name).symlink_to(workshop / name)
    return folder


WEIGHTS = {
    "token": {},
    "example": {"loss_normalization": "example"},
    "question": {"answer_weighting": "question"},
    "opening": {"answer_weighting": "opening"},
}
"""Options that weigh answer tokens, by name."""


def options(weights: str) -> dict:
    # in balanced order the examples of a step depend on micro-batch and ranks
    return {"in2": {**WEIGHTS[weights], "length_balanced": False}}


def write_resumption(folder: Path, whole: str, resumed: str) -> None:
    """Write a run of 18 steps and one that resumes at step 16, with dataloader workers and in balanced order.

    An epoch of 42 examples has 11 steps on one rank and 6 on two, so step 16 is in the middle of a later epoch.
    """
    several = {"micro_batch_size": 2, "gradient_accumulation_steps": 2, "max_steps": 18, "dataloader_num_workers": 2}
    write(folder, whole, **several, save_strategy="steps", save_steps=16)
    write(folder, resumed, **several, resume_from_checkpoint=f"out/{whole}/checkpoint-16")


def same(steps: list[tuple[float, float]]):
    """Match steps up to the rounding of sums in another order."""
    return [pytest.approx(step, rel=2e-4) for step in steps]


@pytest.fixture(scope="module")
def one_rank(folder) -> Path:
    """All runs on one rank, in one process: every batch split, and a resumed run."""
    names = ["one", "one-resumed"]
    write_resumption(folder, *names)
    for weights in WEIGHTS:
        for micro, accumulation in CUTS:
            names.append(f"{weights}-{micro}-{accumulation}")
            cut = {"micro_batch_size": micro, "gradient_accumulation_steps": accumulation}
            write(folder, names[-1], **cut, **options(weights))
    train_all(folder, names)
    return folder


@pytest.fixture(scope="module")
def alone(one_rank) -> dict[str, list[tuple[float, float]]]:
    """Steps on one rank without accumulation, by the name of the weights."""
    return {weights: steps(witness(one_rank, f"{weights}-4-1")) for weights in WEIGHTS}


@pytest.mark.parametrize("weights", WEIGHTS)
def test_accumulation_takes_the_same_steps(alone, one_rank, weights):
    assert len(alone[weights]) == 3
    for micro, accumulation in CUTS[1:]:
        assert steps(witness(one_rank, f"{weights}-{micro}-{accumulation}")) == same(alone[weights])


def test_weights_differ(alone):
    for one, other in combinations(WEIGHTS, 2):
        assert all(step != same([another])[0] for step, another in zip(alone[one], alone[other], strict=True))


def test_two_ranks_take_the_steps_of_one(alone, folder):
    """Check all weights, with and without accumulation."""
    names = []
    for weights in WEIGHTS:
        for micro, accumulation in ((2, 1), (1, 2)):
            names.append(f"two-{weights}-{micro}-{accumulation}")
            cut = {"micro_batch_size": micro, "gradient_accumulation_steps": accumulation}
            write(folder, names[-1], **cut, **options(weights))
    train_all(folder, names, ranks=2)
    for name in names:
        seen = witness(folder, name)
        assert seen["ranks"] == 2
        assert steps(seen) == same(alone[name.split("-")[1]]), name


def test_zero_3_with_offload_takes_the_same_steps(alone, folder):
    for weights in ("token", "opening"):
        write(folder, f"zero3-{weights}", micro_batch_size=2, **ZERO3, **options(weights))
        train(folder, f"zero3-{weights}", ranks=2)
        seen = witness(folder, f"zero3-{weights}")
        assert (seen["ranks"], seen["zero"]) == (2, True)
        assert steps(seen) == same(alone[weights])


def test_fsdp2_takes_the_same_steps(alone, folder):
    write(folder, "fsdp2", micro_batch_size=2, **FSDP2, **options("token"))
    train(folder, "fsdp2", ranks=2)
    seen = witness(folder, "fsdp2")
    assert (seen["ranks"], seen["parameter"]) == (2, "DTensor")
    assert steps(seen) == same(alone["token"])


def require_same_end(whole: dict, resumed: dict) -> None:
    """Check that the resumed run takes only the last two steps, with the same losses and answer tokens."""
    assert (whole["steps"], resumed["steps"]) == (18, 2)
    assert [entry["step"] for entry in resumed["logs"][:18]] == list(range(1, 19))
    assert steps(resumed) == [pytest.approx(step, abs=1e-6) for step in steps(whole)]
    for entry, other in zip(whole["logs"][16:18], resumed["logs"][16:18], strict=True):
        tokens = "in2/answer_tokens_per_step"
        assert entry[tokens] == other[tokens] > 1


def test_run_resumed_on_one_rank_continues_in_the_same_order(one_rank):
    require_same_end(witness(one_rank, "one"), witness(one_rank, "one-resumed"))


def test_run_resumed_on_two_ranks_continues_in_the_same_order(folder):
    write_resumption(folder, "two", "two-resumed")
    assert "length-balanced order for 2 ranks" in train(folder, "two", ranks=2)
    train(folder, "two-resumed", ranks=2)
    require_same_end(witness(folder, "two"), witness(folder, "two-resumed"))
