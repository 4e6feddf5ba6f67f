from dataclasses import asdict

import pytest

from in2_plugin.demo.speed import measure, read_speed
from in2_plugin.errors import ConfigError
from in2_plugin.io.atomic import write_json_atomic
from tests.support.tiny_model import save_tiny_mistral


def test_a_training_step_is_measured(tmp_path):
    found = measure(str(save_tiny_mistral(tmp_path / "model", window=512)))
    assert found.tokens_per_second > 0 and found.parameters > 0 and found.dtype in {"float32", "bfloat16"}
    write_json_atomic(tmp_path / "speed.json", asdict(found))
    assert read_speed(tmp_path / "speed.json") == found


def test_a_folder_without_a_model_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be loaded as a model \(.*give a folder with a config\.json"):
        measure(str(tmp_path))
