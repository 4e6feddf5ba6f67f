"""Options for `accelerate launch`."""

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.training.trl.launch import launch_options


def test_accelerate_config_is_a_file_or_a_trl_name(tmp_path):
    options = launch_options(["--num_processes", "2", "--accelerate_config", "zero3"])
    assert options[0] == "--config_file" and options[1].endswith("zero3.yaml")
    assert options[2:] == ["--num_processes", "2"]
    (tmp_path / "mine.yml").write_text("")
    assert launch_options(["--accelerate_config", str(tmp_path / "mine.yml")])[1] == str(tmp_path / "mine.yml")
    with pytest.raises(ConfigError, match=r"`accelerate_config: zero9` is neither a file nor .*; choose .* zero3"):
        launch_options(["--accelerate_config", "zero9"])
