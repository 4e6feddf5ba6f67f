"""Check which model the validators read."""

import json
from pathlib import Path

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.recipe.base_model import readable_model
from in2_plugin.recipe.planning.published_models import CONFIGS


@pytest.fixture
def replacement(tmp_path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS["Qwen/Qwen3-4B"]))
    return str(tmp_path)


def test_a_replacement_is_read_instead_of_the_model(replacement):
    with readable_model("nobody/has-this", replacement) as model:
        assert (model.name, model.path) == ("nobody/has-this", replacement)
        assert model.source.startswith(f"read {replacement}")


def test_without_a_network_the_published_config_is_used(monkeypatch):
    monkeypatch.setattr("in2_plugin.recipe.base_model._readable", lambda path: False)
    with readable_model("Qwen/Qwen3-4B") as model:
        assert json.loads(Path(model.path, "config.json").read_text())["num_hidden_layers"] == 36
        assert "used its published config" in model.source
    assert not Path(model.path).exists()


def test_a_model_without_a_known_config_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the base model"), readable_model(str(tmp_path / "none")):
        pass
