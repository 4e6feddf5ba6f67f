"""What the plugin refuses, through Axolotl's own `load_cfg` in this process."""

import os
import shutil
import sys

import pytest
import yaml

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

from axolotl.cli.config import load_cfg
from axolotl.integrations.base import PluginManager

PLUGIN = "in2_plugin.axolotl.IN2Plugin"


@pytest.fixture
def config(built, mistral_folder, tmp_path):
    """A function that writes a configuration with changes and loads it as Axolotl does."""
    shutil.copytree(built, tmp_path / "in2")
    base = {
        "base_model": str(mistral_folder),
        "plugins": [PLUGIN],
        "datasets": [{"path": str(tmp_path / "in2"), "type": "in2"}],
        "sequence_len": 2_048,
        "micro_batch_size": 1,
        "num_epochs": 1,
        "learning_rate": 0.001,
        "output_dir": str(tmp_path / "out"),
        "bf16": False,
        "fp16": False,
        "seed": 1,
    }
    (mistral_folder / "config.json").write_text('{"model_type": "mistral", "vocab_size": 32000}')

    def load(**changes):
        PluginManager.get_instance().plugins.clear()
        (tmp_path / "c.yml").write_text(yaml.safe_dump({**base, **changes}))
        return load_cfg(str(tmp_path / "c.yml"))

    load.dataset = tmp_path / "in2"
    return load


def refusal(config, **changes) -> str:
    with pytest.raises(SystemExit) as caught:
        config(**changes)
    said = str(caught.value)
    assert said.startswith("in2: ") and "\n" not in said
    return said


def test_the_bare_type_resolves(config):
    config()
    assert sys.modules["axolotl.prompt_strategies.in2"].load is not None


def test_a_rebuilt_dataset_is_prepared_again(config):
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
def test_mistakes_are_one_sentence(config, changes, expected):
    assert expected in refusal(config, **changes)


def test_a_half_built_dataset_is_one_sentence(config):
    (config.dataset / "manifest.json").unlink()
    assert "is a half-built IN2 dataset; run `in2 build` again to finish it" in refusal(config)


def test_accept_keys_lets_a_key_pass(config):
    assert config(my_own_key=1, in2={"accept_keys": ["my_own_key"]}).sequence_len == 2_048
