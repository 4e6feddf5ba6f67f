"""Check that every recipe validates, and that one wrong file does not stop the checks of the others."""

import json
import shutil

import pytest
import yaml

from in2_plugin.recipe.checks.validate import validate
from in2_plugin.recipe.folder import RecipeFolder, find_recipe, recipe_names
from in2_plugin.training.axolotl.context_parallel import uses_ring_flash_attn
from tests.support.editing import replace_in
from tests.support.reduced_recipes import MODEL_IS_MADE
from tests.support.tiny_model import save_tiny_mistral


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return str(save_tiny_mistral(tmp_path_factory.mktemp("tiny") / "model", 40_960))


@pytest.fixture
def film(tmp_path):
    """A copy of film-7b, to change."""
    shutil.copytree(find_recipe("film-7b").path, tmp_path / "film-7b")
    (tmp_path / "film-7b/axolotl-fsdp.yml").unlink()
    return tmp_path / "film-7b"


def errors(checks):
    return [f"{check.file}: {check.message}" for check in checks if check.mark == "ERROR"]


@pytest.mark.slow
@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_passes_with_the_tools_own_validators(name, tiny):
    recipe = find_recipe(name)
    if recipe.axolotl_files:
        pytest.importorskip("axolotl")
    checks = list(validate(recipe, tiny if name in MODEL_IS_MADE else None))
    split = [file for file in recipe.axolotl_files if "parallel" in file.name]
    refused = split if uses_ring_flash_attn() else []
    assert len(errors(checks)) == len(refused)
    assert all("parallel.yml: `context_parallel_size: 4` needs Axolotl 0.21" in error for error in errors(checks))
    looked = {check.file for check in checks if check.mark == "ok"}
    files = [*recipe.axolotl_files, *recipe.trl_files, *recipe.deepspeed_files, *recipe.accelerate_files,
             *recipe.scripts, *recipe.programs, recipe.build_file, recipe.path / "README.md"]  # fmt: skip
    assert looked == {file.name for file in files}
    mains = [check.message for check in checks if check.mark == "ok" and check.file.startswith(("axolotl", "sft"))]
    accepted = len(recipe.axolotl_files) + len(recipe.trl_files) - len(refused)
    assert sum(" accept" in said for said in mains) == accepted


@pytest.mark.slow
def test_a_replacement_of_the_base_model_is_noted(film, tiny):
    pytest.importorskip("axolotl")
    notes = [check.message for check in validate(RecipeFolder(film), tiny) if check.mark == "note"]
    assert notes == [f"read {tiny}"]


@pytest.mark.slow
def test_an_unreadable_model_does_not_stop_other_checks(film):
    for file in ("axolotl.yml", "build.yml"):
        replace_in(film / file, "mistralai/Mistral-7B-Instruct-v0.2", "nobody/has-this")
    checks = list(validate(RecipeFolder(film)))
    (wrong,) = errors(checks)
    assert wrong.startswith("axolotl.yml: cannot read the base model `nobody/has-this`")
    assert {"build.yml", "zero3-offload.json", "eval.sh"} <= {check.file for check in checks if check.mark == "ok"}


def test_an_invalid_build_file_does_not_stop_other_checks(film):
    replace_in(film / "build.yml", "mixture:", "mixtures:")
    (film / "axolotl.yml").unlink()
    checks = list(validate(RecipeFolder(film)))
    assert [each for each in errors(checks) if "did you mean `mixture`?" in each]
    assert {"train.sh", "zero3-offload.json"} <= {check.file for check in checks if check.mark == "ok"}


def test_checks_can_be_written_as_json(film):
    (film / "axolotl.yml").unlink()
    checks = [check.as_json() for check in validate(RecipeFolder(film))]
    assert json.loads(json.dumps(checks))[0]["file"] == "build.yml"
    assert yaml.safe_load((film / "build.yml").read_text())["output"] == "data/film-7b"
