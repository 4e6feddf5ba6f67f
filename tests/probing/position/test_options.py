"""The options that position probes share."""

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.probing.position.options import GeneratedOptions, PositionOptions


class _FolderOptions(PositionOptions):
    probe: str
    probe_count: int | None = None


def test_other_arguments_of_lm_eval_are_ignored():
    options = GeneratedOptions.of({"pretrained": "m", "probe_length": 4_096, "version": 1.0}, "litm_kv")
    assert (options.probe_length, options.probe_depths) == (4_096, 10)


def test_a_probe_may_have_the_option_probe():
    assert _FolderOptions.of({"probe": "folder", "model": "m"}, "in2_probe").probe == "folder"
    with pytest.raises(ConfigError, match="in2_probe: `probe` is required"):
        _FolderOptions.of({}, "in2_probe")


def test_a_misspelled_option_names_the_nearest():
    with pytest.raises(ConfigError, match="litm_kv: unknown key `probe_lenght`; did you mean `probe_length`"):
        GeneratedOptions.of({"probe_lenght": 4_096}, "litm_kv")


def test_defaults_of_own_options_are_stated():
    assert GeneratedOptions.stated() == {
        "probe_length": 16_384, "probe_questions": 100, "probe_depths": 10, "probe_seed": 0,
    }  # fmt: skip
    assert PositionOptions.stated() == _FolderOptions.stated() == {}
