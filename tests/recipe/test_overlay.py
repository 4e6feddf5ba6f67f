"""Check how recipe.yml composes a recipe, with a new recipe as the example of CONTRIBUTING.md."""

import pytest
import yaml

from in2_plugin.config import load_build_config
from in2_plugin.errors import ConfigError
from in2_plugin.recipe.checks.validate import validate
from in2_plugin.recipe.folder import copy_recipe, find_recipe
from in2_plugin.recipe.overlay import compose
from in2_plugin.recipe.planning.plan import plan_recipe
from tests.support.editing import replace_in

RECIPE = """\
# FILM-7B with half of its data
base: film-7b
without: [build-ray.sbatch]
change:
  build.yml:
    output: data/half  # ours: `datasets` of axolotl.yml
  axolotl.yml: &path
    datasets.0.path: data/half  # ours: `output` of build.yml
  axolotl-fsdp.yml: *path
add:
  build.yml:
    mixture.total: 875000  # ours: half of the four above
"""
README = "# Half of FILM-7B\n\nWhat it is for: half.\n\n## What to expect\n\nUnknown.\n\n## Notes\n\nNone.\n"


@pytest.fixture
def half(tmp_path):
    """A new recipe: a folder with two short files."""
    folder = tmp_path / "half"
    folder.mkdir()
    (folder / "recipe.yml").write_text(RECIPE)
    (folder / "README.md").write_text(README)
    return folder


def test_a_new_recipe_is_two_short_files(half, tmp_path):
    copy_recipe(str(half), tmp_path / "copy")
    copied = {file.name for file in (tmp_path / "copy").iterdir()}
    base = {file.name for file in find_recipe("film-7b").path.iterdir()}
    assert copied == base - {"build-ray.sbatch"}
    assert load_build_config(tmp_path / "copy/build.yml").mixture.counts()["fine_grained"] == 550_000
    assert plan_recipe(find_recipe(str(half)), gpus=8).runs[0].examples == 875_000


@pytest.mark.slow
def test_a_new_recipe_validates(half):
    checks = list(validate(find_recipe(str(half))))
    assert [check for check in checks if check.mark == "ERROR"] == []
    assert {check.file for check in checks} >= {"build.yml", "axolotl.yml", "axolotl-fsdp.yml", "zero3-offload.json"}


def test_comments_of_the_base_stay_and_changed_keys_bring_their_own(half):
    text = compose(half)["axolotl.yml"].text
    base = (find_recipe("film-7b").path / "axolotl.yml").read_text()
    changed = [(new, old) for new, old in zip(text.splitlines(), base.splitlines(), strict=True) if new != old]
    assert [new.split("#") for new, _ in changed] == [[f"{'  - path: data/half':<50}", " ours: `output` of build.yml"]]


def test_a_readme_replaces_its_own_sections_and_inherits_the_others(half):
    text = compose(half)["README.md"].text
    assert text.startswith("# Half of FILM-7B\n\nWhat it is for: half.\n")
    assert "\n## What to expect\n\nUnknown.\n\n## How to read" in text and text.endswith("\n## Notes\n\nNone.\n")
    assert "in2 recipes copy half && cd half" in text


def test_a_file_of_the_folder_replaces_the_bases_file(half):
    (half / "eval.sh").write_text("echo mine\n")
    assert compose(half)["eval.sh"].text == "echo mine\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("base: film-7b", "base: film-8b", "`base: film-8b` is neither a recipe's name nor a recipe folder"),
        ("without: [build-ray.sbatch]", "without: [ray.sbatch]", "`without: ray.sbatch` is not a file of film-7b"),
        ("without: [build-ray.sbatch]", "shared: [trian.sh]", "`shared: trian.sh` is not a shared file; there are"),
        ("without:", "witout:", "unknown key `witout`; did you mean `without`?"),
        ("  build.yml:\n    output", "  built.yml:\n    output", "`change: built.yml` is not a file of this recipe"),
        ("    output:", "    outptu:", "`change: build.yml`: there is no key `outptu` to change"),
        ("mixture.total", "mixture.general", "`add: build.yml`: `mixture.general` is there already"),
    ],
)
def test_a_wrong_recipe_file_is_an_error(half, old, new, message):
    replace_in(half / "recipe.yml", old, new)
    with pytest.raises(ConfigError) as failure:
        compose(half)
    assert message in str(failure.value) and str(half / "recipe.yml") in str(failure.value)


def test_a_base_can_be_a_folder_beside_the_overlay(half, tmp_path):
    (tmp_path / "quarter").mkdir()
    (tmp_path / "quarter/README.md").write_text("# A quarter\n")
    change = "change:\n  build.yml:\n    mixture.total: 437500  # ours: a quarter\n"
    (tmp_path / "quarter/recipe.yml").write_text(f"base: ../half\n{change}")
    values = yaml.safe_load(compose(tmp_path / "quarter")["build.yml"].text)
    assert (values["mixture"]["total"], values["output"]) == (437_500, "data/half")
