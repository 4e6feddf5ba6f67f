"""The plugin's checks, run through Axolotl's own `load_cfg` in this process."""

import subprocess
import sys

import pytest

from in2_plugin.training.axolotl.plugins import loaded_unlisted
from tests.support.axolotl_configs import PLUGIN, ConfigLoader

WITHOUT_AXOLOTL = """
import sys, types
def module(name, **names):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(names)
module("axolotl"), module("axolotl.integrations"), module("axolotl.utils")
module("axolotl.integrations.base", BasePlugin=object)
module("axolotl.utils.logging", get_logger=lambda name: None)
before = set(sys.modules)
from in2_plugin.axolotl import IN2Plugin
stock = {"plugins": ["a.B"], "datasets": [{"path": "a", "type": "completion"}]}
plugin = IN2Plugin()
hooks = [plugin.register(stock), plugin.get_input_args(), plugin.load_datasets(stock), plugin.get_trainer_cls(stock),
         plugin.get_training_args(stock), plugin.pre_lora_load(stock, None)]
print(hooks == [None] * 6, {"yaml", "numpy", "pydantic", "datasets", "torch", "transformers"} & {*sys.modules} - before)
"""


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


def test_nothing_is_done_or_imported_for_a_config_without_in2():
    done = subprocess.run([sys.executable, "-c", WITHOUT_AXOLOTL], capture_output=True, text=True, check=True)
    assert done.stdout == "True set()\n"


@pytest.mark.skipif(not loaded_unlisted(), reason="this Axolotl loads no plugins from entry points")
@pytest.mark.parametrize("listed", [None, [PLUGIN], ["in2_plugin.axolotl:IN2Plugin"]])
def test_plugin_runs_once_whether_listed_or_not(config, listed, monkeypatch):
    from axolotl.integrations.base import PluginManager

    import in2_plugin.axolotl

    checked = []
    monkeypatch.setattr(in2_plugin.axolotl, "_check_keys", checked.append)
    cfg = config(plugins=listed, in2={"preflight": False})
    manager = PluginManager.get_instance()
    assert len(checked) == 1
    assert [name for name in manager.plugins if "in2" in name] == [PLUGIN]
    assert len(manager.load_datasets(cfg).train_dataset) == 130
    assert manager.get_trainer_cls(cfg).__name__ == "AxolotlIN2Trainer"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"micro_batch_sise": 2}, "`micro_batch_sise`; did you mean `micro_batch_size`?"),
        ({"in2": {"accept": []}}, "`in2.accept`; did you mean `accept_keys`?"),
        ({"in2": {"lazy": "never"}}, "section `in2`: `lazy` must be `auto` or true or false, got 'never'"),
        ({"in2": {"loss_normalization": "example", "answer_weighting": "question"}}, "remove one of the two"),
        ({"sequence_len": 1_024}, "set `sequence_len: "),
        ({"sequence_len": None}, "`sequence_len: None` is too short"),
        ({"datasets": [{"type": "in2"}]}, "has no `path:`"),
        ({"plugins": [PLUGIN, "no_such_package.Plugin"]}, "`no_such_package.Plugin` cannot be imported (No module"),
    ],
)
def test_invalid_config_exits_with_one_sentence(config, changes, expected):
    assert expected in refusal(config, **changes)


def test_axolotl_does_not_try_a_plugin_that_cannot_be_imported(config, caplog, capfd):
    refusal(config, plugins=[PLUGIN, "no_such_package.Plugin"])
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


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


def test_other_kinds_of_reinforcement_learning_are_refused(config):
    assert "`rl: dpo` needs other data than questions with answers" in refusal(config, rl="dpo")


def test_prompts_may_be_longer_than_the_sequence(config):
    assert "is too short" in refusal(config, sequence_len=1_000)
    assert config(sequence_len=1_000, rl="grpo", trl={"max_completion_length": 64}).rl == "grpo"
