"""The plugin's checks, run through Axolotl's own `load_cfg` in this process."""

import sys

import pytest

from tests.support.axolotl_configs import PLUGIN, ConfigLoader


@pytest.fixture
def config(built, mistral_folder, tmp_path) -> ConfigLoader:
    return ConfigLoader(tmp_path, built, mistral_folder)


def refusal(config, **changes) -> str:
    with pytest.raises(SystemExit) as caught:
        config(**changes)
    message = str(caught.value)
    assert message.startswith("in2: ") and "\n" not in message
    return message


def test_type_in2_resolves_to_this_module(config):
    import in2_plugin.axolotl

    config()
    assert sys.modules["axolotl.prompt_strategies.in2"].load is in2_plugin.axolotl.load


def test_rebuilt_dataset_is_prepared_again(config):
    first = config().datasets[0].revision
    manifest = config.dataset / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 42', '"seed": 43'))
    assert first != config().datasets[0].revision


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"micro_batch_sise": 2}, "`micro_batch_sise`; did you mean `micro_batch_size`?"),
        ({"in2": {"accept": []}}, "`in2.accept`; did you mean `accept_keys`?"),
        ({"sequence_len": 1_024}, "set `sequence_len: "),
        ({"sequence_len": None}, "`sequence_len: None` is too short"),
        ({"datasets": [{"type": "in2"}]}, "has no `path:`"),
        ({"plugins": [PLUGIN, "no_such_package.Plugin"]}, "`no_such_package.Plugin` cannot be imported"),
    ],
)
def test_invalid_config_exits_with_one_sentence(config, changes, expected):
    assert expected in refusal(config, **changes)


def test_unfinished_dataset_exits_with_one_sentence(config):
    (config.dataset / "manifest.json").unlink()
    assert "run `in2 build` again to finish it" in refusal(config)


def test_accept_keys_accepts_an_unknown_key(config):
    assert config(my_own_key=1, in2={"accept_keys": ["my_own_key"]}).sequence_len == 2_048


def test_preflight_error_stops_the_run_before_the_model_is_loaded(config):
    from in2_plugin.axolotl import IN2Plugin

    cfg = config()
    config.set_model_config('{"model_type": "mistral", "vocab_size": 32000, "sliding_window": 512}')
    with pytest.raises(SystemExit) as caught:
        IN2Plugin().load_datasets(cfg)
    message = str(caught.value)
    assert message.startswith("in2: ")
    assert "a window of 512 tokens is smaller than the longest example" in message
    assert "to train anyway, set `in2: {preflight: false}`" in message
    cfg.in2 = {"preflight": False}
    assert len(IN2Plugin().load_datasets(cfg).train_dataset) == 130
