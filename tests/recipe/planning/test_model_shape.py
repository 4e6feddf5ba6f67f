"""Check where the shape of a base model comes from."""

import json

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.recipe.planning.model_shape import known_shape
from in2_plugin.recipe.planning.published_models import CONFIGS


def test_a_published_model_needs_no_files(tmp_path):
    known = known_shape("Qwen/Qwen3-8B", tmp_path)
    assert (known.shape.layers, known.source) == (36, "its published config.json")


def test_a_folder_beside_the_recipe_is_read(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(json.dumps({**CONFIGS["Qwen/Qwen3-8B"], "num_hidden_layers": 3}))
    known = known_shape("model", tmp_path)
    assert (known.shape.layers, known.source) == (3, "read from its config.json")


def test_an_unknown_model_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the base model `nowhere`.*`--base-model FOLDER`"):
        known_shape("nowhere", tmp_path)
