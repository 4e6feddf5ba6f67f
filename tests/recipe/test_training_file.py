"""Check how training files are read."""

import shutil

import pytest
import yaml

from in2_plugin.config import BuildConfig
from in2_plugin.errors import ConfigError
from in2_plugin.recipe.folder import RecipeFolder, find_recipe, recipe_names
from in2_plugin.recipe.planning.assumed_data import planned_data
from in2_plugin.recipe.planning.plan import plan_recipe
from in2_plugin.recipe.planning.published_models import CONFIGS, dense_shape
from in2_plugin.recipe.training_file import read_training_file
from tests.support.editing import replace_in


@pytest.fixture
def film(tmp_path):
    """A copy of film-7b, to change."""
    shutil.copytree(find_recipe("film-7b").path, tmp_path / "film-7b")
    return tmp_path / "film-7b"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "deepspeed: zero3-offload.json",
            "deepspeed: zero9.json",
            "`deepspeed: zero9.json` is not a file",
        ),
        ("base_model: mistralai", "other_model: mistralai", "names no model"),
    ],
)
def test_a_file_that_cannot_be_planned_is_an_error(film, old, new, said):
    replace_in(film / "axolotl.yml", old, new)
    with pytest.raises(ConfigError, match=said):
        plan_recipe(RecipeFolder(film))


@pytest.mark.slow
def test_a_planned_setup_is_that_of_the_validated_file():
    """Compare the setup read from the text with the one that preflight derives after Axolotl's validation."""
    pytest.importorskip("axolotl")
    from in2_plugin.preflight.training_setup import setup_of
    from in2_plugin.recipe.base_model import readable_model
    from in2_plugin.recipe.checks.training import validated

    seen = 0
    for path in [path for name in recipe_names() for path in find_recipe(name).axolotl_files]:
        file = read_training_file(path)
        if file.base_model not in CONFIGS or file.cfg.context_parallel_size:
            continue
        data = planned_data(BuildConfig.parse(yaml.safe_load((path.parent / "build.yml").read_text()), "t"))
        shape = dense_shape(CONFIGS[file.base_model])
        with readable_model(file.base_model) as model:
            cfg = validated(file.path, model, data.facts("d", None))
        cfg.deepspeed = file.cfg.deepspeed
        assert file.setup(8, shape) == setup_of(cfg, 8, file.adapter(shape)), path
        seen += 1
    assert seen > 10
