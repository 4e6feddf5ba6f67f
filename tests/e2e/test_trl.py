"""The real TRL on the CPU: one and two ranks, resumed runs, accumulation, and ZeRO-3."""

from pathlib import Path

import pytest
import yaml

from tests.support.e2e_run import SMOKE, run
from tests.support.example_watch import seen, steps
from tests.support.trl_runs import ZERO3, train_all, write

pytestmark = pytest.mark.slow

IN_FILE_ORDER = {"length_balanced": False}
"""In balanced order the examples of a step depend on micro-batch and ranks."""


@pytest.fixture(scope="module")
def folder(workshop, tmp_path_factory) -> Path:
    """The folder of all runs of this module."""
    folder = tmp_path_factory.mktemp("trl")
    for name in ("model", "data"):
        (folder / name).symlink_to(workshop / name)
    return folder


def make_untied(folder: Path) -> None:
    """Write the model with an untied head, as in Mistral-7B, to `untied`."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype="float32")
    model.config.tie_word_embeddings = False
    model.lm_head.weight = type(model.lm_head.weight)(model.lm_head.weight.detach().clone())
    model.save_pretrained(folder / "untied")
    AutoTokenizer.from_pretrained(folder / "model").save_pretrained(folder / "untied")


def same(taken: list[tuple[float, float]]):
    """Match steps up to the rounding of sums in another order."""
    return [pytest.approx(step, rel=2e-4) for step in taken]


def statistics(taken: dict) -> list[dict[str, float]]:
    return [{key: value for key, value in entry.items() if key.startswith("in2/")} for entry in taken["logs"]]


@pytest.fixture(scope="module")
def alone(folder) -> dict[str, dict]:
    """Runs on one rank, in one process."""
    make_untied(folder)
    write(folder, "stock", stock=True)
    write(folder, "ours", **IN_FILE_ORDER)
    write(folder, "cut", **IN_FILE_ORDER, per_device_train_batch_size=1, gradient_accumulation_steps=4)
    write(folder, "untied", **IN_FILE_ORDER, model_name_or_path="untied")
    write(folder, "padding-free", **IN_FILE_ORDER, padding_free=True)
    opening = {**IN_FILE_ORDER, "answer_weighting": "opening"}
    write(folder, "opening", **opening)
    write(folder, "opening-cut", **opening, per_device_train_batch_size=1, gradient_accumulation_steps=4)
    write(folder, "opening-padding-free", **opening, padding_free=True)
    names = ["stock", "ours", "cut", "untied", "padding-free", "opening", "opening-cut", "opening-padding-free"]
    train_all(folder, names)
    return {name: seen(folder, name) for name in names}


@pytest.mark.e2e_full
def test_stock_trainer_takes_the_same_steps(alone):
    assert alone["stock"]["read"][:12] == alone["ours"]["read"][:12]
    assert steps(alone["stock"]) == same(steps(alone["ours"]))
    assert len(steps(alone["ours"])) == 3


@pytest.mark.e2e_full
def test_accumulation_and_padding_do_not_change_the_steps(alone):
    assert steps(alone["cut"]) == same(steps(alone["ours"]))
    assert steps(alone["padding-free"]) == same(steps(alone["ours"]))
    for name in ("opening-cut", "opening-padding-free"):
        assert steps(alone[name]) == same(steps(alone["opening"]))
    assert alone["opening"]["read"] == alone["ours"]["read"] and steps(alone["opening"]) != same(steps(alone["ours"]))


@pytest.mark.e2e_full
def test_log_has_loss_by_depth_and_part(alone):
    for name in ("ours", "cut", "untied", "padding-free"):
        first = next(entry for entry in alone[name]["logs"] if "loss" in entry)
        assert any(key.startswith("in2/loss_depth_") for key in first), name
        assert first["in2/loss_fine_grained"] == pytest.approx(first["loss"], rel=0.05)
        expected = next(entry for entry in alone["ours"]["logs"] if "loss" in entry)
        assert first["in2/answer_tokens_per_step"] == expected["in2/answer_tokens_per_step"]
    assert not any("in2/" in key for entry in alone["stock"]["logs"] for key in entry)


@pytest.mark.e2e_full
def test_two_ranks_take_the_steps_of_one(alone, folder):
    write(folder, "two-1-2", **IN_FILE_ORDER, per_device_train_batch_size=1)
    write(folder, "two-2-1", **IN_FILE_ORDER, gradient_accumulation_steps=1)
    write(folder, "two-opening", **IN_FILE_ORDER, answer_weighting="opening", per_device_train_batch_size=1)
    names = {"two-1-2": "ours", "two-2-1": "ours", "two-opening": "opening"}
    train_all(folder, list(names), ranks=2)
    for name, other in names.items():
        taken = seen(folder, name)
        assert taken["ranks"] == 2
        assert steps(taken) == same(steps(alone[other]))
        assert statistics(taken) == [pytest.approx(each, rel=1e-3) for each in statistics(alone[other])]


@pytest.mark.e2e_full
def test_zero_3_with_offload_takes_the_same_steps(alone, folder):
    """Check an untied head and a head tied to the embeddings."""
    zero = {**IN_FILE_ORDER, "deepspeed": ZERO3, "per_device_train_batch_size": 1}
    write(folder, "zero-untied", **zero, model_name_or_path="untied")
    write(folder, "zero-tied", **zero)
    write(folder, "zero-opening", **zero, answer_weighting="opening")
    names = {"zero-untied": "untied", "zero-tied": "ours", "zero-opening": "opening"}
    train_all(folder, list(names), ranks=2)
    for name, other in names.items():
        taken = seen(folder, name)
        assert (taken["ranks"], taken["zero"]) == (2, True)
        assert steps(taken) == same(steps(alone[other]))
        assert statistics(taken) == [pytest.approx(each, rel=1e-3) for each in statistics(alone[other])]


@pytest.mark.e2e_full
@pytest.mark.parametrize("ranks", [1, 2])
def test_resumed_run_continues_in_the_same_order(folder, ranks):
    """Resume in the middle of the second epoch (64 examples are 16 steps of 4), with dataloader workers."""
    several = {"per_device_train_batch_size": 2 // ranks, "max_steps": 20, "dataloader_num_workers": 2}
    write(folder, f"whole-{ranks}", **several, save_strategy="steps", save_steps=18)
    checkpoint = f"out/whole-{ranks}/checkpoint-18"
    write(folder, f"resumed-{ranks}", **several, resume_from_checkpoint=checkpoint)
    output = train_all(folder, [f"whole-{ranks}", f"resumed-{ranks}"], ranks)
    assert "length-balanced order" in output
    whole, resumed = (seen(folder, f"{name}-{ranks}") for name in ("whole", "resumed"))
    assert len(steps(whole)) == 20
    assert steps(resumed) == [pytest.approx(step, abs=1e-6) for step in steps(whole)]
    assert statistics(resumed)[18:20] == [pytest.approx(each, rel=1e-3) for each in statistics(whole)[18:20]]


@pytest.fixture
def recipe(folder):
    """Return a function that writes the smoke recipe for the test dataset, with changes."""
    values = yaml.safe_load((SMOKE / "sft.yml").read_text())
    values["datasets"][0]["data_dir"] = "data/in2"

    def write(**changes):
        (folder / "sft.yml").write_text(yaml.safe_dump({**values, **changes}))
        return folder

    return write


@pytest.mark.parametrize("weighting", ["token", pytest.param("opening", marks=pytest.mark.e2e_full)])
def test_in2_sft_trains_evaluates_and_saves(recipe, weighting):
    evaluated = {"test_split_size": 8, "eval_strategy": "steps", "eval_steps": 2}
    folder = recipe(per_device_train_batch_size=4, logging_steps=1, answer_weighting=weighting, **evaluated)
    output = run("in2", "sft", "--config", "sft.yml", "--max_steps", "2", "--num_processes", "1", cwd=folder)
    assert "in2: length-balanced order for 1 ranks and micro-batches of 4" in output
    assert "'eval_in2/answer_tokens'" in output and "in2: saved the model to out-trl" in output
    written = {path.name for path in (folder / "out-trl").iterdir()}
    assert {"model.safetensors", "tokenizer.json", "checkpoint-2"} <= written


@pytest.mark.e2e_full
def test_in2_sft_refuses_in_one_sentence(recipe):
    folder = recipe(max_length=300)
    output = run("in2", "sft", "--config", "sft.yml", cwd=folder, ok=False)
    assert "Traceback" not in output
    assert output.strip().splitlines()[-1].startswith("error: `max_length: 300` is below the longest example")
