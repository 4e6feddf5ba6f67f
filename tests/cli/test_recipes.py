import json
import shutil

import pytest
from typer.testing import CliRunner

from in2_plugin.cli.recipes import recipes
from in2_plugin.config import load_build_config
from in2_plugin.errors import ConfigError
from in2_plugin.recipe.folder import find_recipe, recipe_names


def invoke(*arguments: str):
    return CliRunner().invoke(recipes, arguments, catch_exceptions=True)


def test_list_shows_one_line_per_recipe():
    lines = invoke("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == recipe_names()
    assert all(len(line.split()) > 3 for line in lines)
    (film,) = [line for line in lines if line.startswith("film-7b ")]
    assert "16 x A100-80G, 13 to 19 days" in film


def test_show_prints_the_readme_and_the_files():
    output = invoke("show", "rope-1e7").stdout
    assert output.startswith("# ") and "\n## Run\n" in output and "\n  torchrun.sh\n" in output


def test_copy_writes_a_folder(tmp_path):
    assert invoke("copy", "smoke", str(tmp_path / "mine")).exit_code == 0
    assert load_build_config(tmp_path / "mine/build.yml").tokenizer == "model"


def test_copy_never_overwrites(tmp_path):
    (tmp_path / "build.yml").write_text("mine")
    failure = invoke("copy", "smoke", str(tmp_path)).exception
    assert isinstance(failure, ConfigError)
    assert str(failure) == f"{tmp_path} already has build.yml; give another folder"
    assert (tmp_path / "build.yml").read_text() == "mine"


@pytest.mark.parametrize("command", ["show", "copy", "plan", "validate"])
def test_a_misspelt_name_gets_the_nearest(command):
    assert "did you mean `smoke`?" in str(invoke(command, "smok").exception)


def test_plan_prints_a_table_or_one_number_of_gpus():
    table = invoke("plan", "film-7b-1pct").stdout
    assert "137 steps" in table
    assert [line.split()[0] for line in table.splitlines() if line[:6].strip().isdigit()] == [
        "1", "8", "16", "32", "64", "128",
    ]  # fmt: skip
    one = json.loads(invoke("plan", "film-7b-1pct", "--gpus", "8", "--gpu", "H100-80G", "--json").stdout)
    assert [machine["gpus"] for machine in one["runs"][0]["machines"]] == [8]


def test_a_users_folder_is_planned_like_a_recipe(tmp_path):
    shutil.copytree(find_recipe("qlora-24gb").path, tmp_path / "mine")
    assert "RTX-4090" in invoke("plan", str(tmp_path / "mine")).stdout
    (tmp_path / "empty").mkdir()
    assert "not a recipe, it has no README.md" in str(invoke("plan", str(tmp_path / "empty")).exception)


def test_an_unknown_gpu_is_an_error():
    assert "unknown GPU `A1000`" in str(invoke("plan", "film-7b", "--gpu", "A1000").exception)


def test_validate_ends_with_a_verdict_and_a_status(tmp_path):
    shutil.copytree(find_recipe("film-7b-1pct").path, tmp_path / "mine")
    (tmp_path / "mine/axolotl.yml").unlink()
    sound = invoke("validate", str(tmp_path / "mine"))
    assert (sound.exit_code, sound.stdout.splitlines()[-1]) == (0, "mine: no problems found")
    (tmp_path / "mine/build.yml").unlink()
    spoilt = invoke("validate", str(tmp_path / "mine"), "--json")
    assert spoilt.exit_code == 1
    found = json.loads(spoilt.stdout)
    assert (found["ok"], found["checks"][0]["mark"]) == (False, "ERROR")
