"""Run every recipe with the real trainer, at reduced size, on the CPU.

The changes to a recipe are one list: `reduced_recipes.OVERRIDES`. New recipes run without a change here.
"""

import json
import math
from pathlib import Path

import pytest
import yaml

from in2_plugin.recipe.folder import find_recipe, recipe_names
from tests.support import SUPPORT
from tests.support.axolotl_runs import TORCHRUN, witness
from tests.support.e2e_run import run
from tests.support.film_curve import STORED, train
from tests.support.reduced_recipes import STEPS, reduced_axolotl, reduced_trl, workshop

pytestmark = pytest.mark.slow

RECIPES = [find_recipe(name) for name in recipe_names()]
AXOLOTL = [file for recipe in RECIPES for file in sorted(recipe.axolotl_files)]
TRL = [file for recipe in RECIPES for file in recipe.trl_files]
FOLDERS = sorted({file.parent for file in (*AXOLOTL, *TRL)})
LOSS, NORM = 5e-4, 5e-3
"""Relative tolerances. Another summation order changes losses by 3e-6 (docs/distributed.md), another processor or torch
version by somewhat more; another order of examples or mask by more than these, as the last test shows."""


def name_of(file: Path) -> str:
    return f"{file.parent.name}-{file.stem}"


def said(file: Path) -> dict:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


FSDP = [file for file in AXOLOTL if "fsdp_config" in said(file)]
PROMPTED = [file for file in AXOLOTL if "rl" in said(file)]
OTHERS = [file for file in AXOLOTL if file not in (*FSDP, *PROMPTED)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The reduced training files of all recipes, with their models and datasets."""
    folder = tmp_path_factory.mktemp("reduced")
    places = workshop(folder, FOLDERS)
    for file in (*AXOLOTL, *TRL):
        reduced = reduced_axolotl if file in AXOLOTL else reduced_trl
        values = {**reduced(file, *places[file.parent.name]), "output_dir": f"out/{name_of(file)}"}
        (folder / f"{name_of(file)}.yml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return folder


def train_files(folder: Path, files: list[Path], ranks: int, script: str) -> Path:
    """Train all files in one process per rank; those without DeepSpeed first, because it changes a process for good."""
    ordered = sorted(files, key=lambda file: "deepspeed" in said(folder / f"{name_of(file)}.yml"))
    names = (f"{name_of(file)}.yml" for file in ordered)
    run("torchrun", *TORCHRUN, ranks, SUPPORT / script, *names, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def others(folder) -> Path:
    pytest.importorskip("axolotl")
    return train_files(folder, OTHERS, 1, "reduced_runs.py")


@pytest.fixture(scope="module")
def fsdp(folder) -> Path:
    pytest.importorskip("axolotl")
    return train_files(folder, FSDP, 2, "reduced_runs.py")


@pytest.fixture(scope="module")
def trl(folder) -> Path:
    return train_files(folder, TRL, 1, "trl_runs.py")


def logged(seen: dict) -> list[dict]:
    return [entry for entry in seen["logs"] if "loss" in entry]


def require_steps(seen: dict, peak: float) -> None:
    """Check the steps: finite losses of an untrained model, counted answer tokens, the recipe's learning rate."""
    entries = logged(seen)
    assert len(entries) == STEPS
    for entry in entries:
        assert 6 < entry["loss"] < 12 and math.isfinite(entry["grad_norm"]) and entry["grad_norm"] > 0
        assert entry["in2/answer_tokens_per_step"] > 16
    assert max(entry["learning_rate"] for entry in entries) == pytest.approx(peak)


@pytest.mark.e2e_full
@pytest.mark.parametrize("file", OTHERS, ids=name_of)
def test_a_recipe_of_axolotl_trains(others, file):
    seen = witness(others, name_of(file))
    require_steps(seen, said(file)["learning_rate"])
    assert seen["zero"] == ("deepspeed" in said(file))
    adapter = (others / "out" / name_of(file) / "adapter_model.safetensors").exists()
    assert adapter == ("adapter" in said(file))


@pytest.mark.e2e_full
@pytest.mark.parametrize("file", FSDP, ids=name_of)
def test_a_recipe_with_fsdp_trains_on_two_ranks(fsdp, file):
    seen = witness(fsdp, name_of(file))
    require_steps(seen, said(file)["learning_rate"])
    assert (seen["ranks"], seen["parameter"]) == (2, "DTensor")


@pytest.mark.e2e_full
@pytest.mark.parametrize("file", TRL, ids=name_of)
def test_a_recipe_of_trl_trains(trl, file):
    seen = json.loads((trl / "out" / name_of(file) / "watch.json").read_text())
    require_steps(seen, said(file)["learning_rate"])
    assert seen["zero"] == (file.with_name("accelerate.yml")).exists()


@pytest.mark.e2e_full
@pytest.mark.parametrize("file", PROMPTED, ids=name_of)
def test_a_recipe_of_prompts_and_rewards_trains(folder, file):
    pytest.importorskip("axolotl")
    seen = witness(train_files(folder, [file], 1, "reduced_runs.py"), name_of(file))
    entries = [entry for entry in seen["logs"] if "reward" in entry]
    assert len(entries) == STEPS and seen["zero"]
    for entry in entries:
        assert 0 <= entry["rewards/answer/mean"] <= 1 and 0 <= entry["rewards/grounding/mean"] <= 1
        assert entry["completions/max_length"] <= 96


@pytest.mark.e2e_full
def test_the_rope_bases_differ_as_in_the_recipes(others):
    """If `rope_parameters` were ignored, the first losses would equal film-7b-20pct's."""
    names = ("film-7b-20pct", "rope-2e6", "rope-1e7", "rope-1e8")
    first = [logged(witness(others, f"{name}-axolotl"))[0]["loss"] for name in names]
    assert len({round(loss, 3) for loss in first}) == 4


@pytest.fixture(scope="module")
def damaged(tmp_path_factory) -> dict:
    pytest.importorskip("axolotl")
    return train(tmp_path_factory.mktemp("damaged"), ["other-order", "other-mask"])


def differs(curve: list[dict], stored: list[dict]) -> list[str]:
    """Return the differences of a curve from the stored one."""
    found = []
    for step, (now, then) in enumerate(zip(curve, stored, strict=True), 1):
        if now["answer_tokens"] != then["answer_tokens"]:
            found.append(f"step {step}: {now['answer_tokens']} answer tokens, stored {then['answer_tokens']}")
        found += [
            f"step {step}: {key} {now[key]}, stored {then[key]}"
            for key, room in (("loss", LOSS), ("grad_norm", NORM))
            if now[key] != pytest.approx(then[key], rel=room)
        ]
    return found


STORED_CURVE = json.loads(STORED.read_text())


def test_the_loss_curve_of_film_7b_is_the_stored_one(tmp_path):
    """The one reduced run of `make test`: ZeRO-3 with offload on two ranks."""
    pytest.importorskip("axolotl")
    (curve,) = train(tmp_path, ["as-it-is"]).values()
    assert not differs(curve, STORED_CURVE), "if intended, run python -m tests.support.film_curve"


@pytest.mark.e2e_full
@pytest.mark.parametrize("damage", ["other-order", "other-mask"])
def test_a_wrong_order_or_mask_shows_in_the_curve(damaged, damage):
    wrong = differs(damaged[damage], STORED_CURVE)
    assert sum(" loss " in what for what in wrong) > len(STORED_CURVE) / 2, wrong
