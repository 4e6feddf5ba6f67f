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


REASONS = [
    ({}, None),
    ({"streaming": True, "max_steps": 1}, "`streaming:` is set"),
    ({"dataset_exact_deduplication": True}, "`dataset_exact_deduplication:` is set"),
    ({"sample_packing": True, "attn_implementation": "sdpa"}, None),
    ({"val_set_size": 0.1}, None),
]


@pytest.mark.parametrize(("changes", "reason"), REASONS)
def test_what_cannot_be_lazy_says_why(config, changes, reason):
    from in2_plugin.training.axolotl.data import why_prepared

    assert why_prepared(config(**changes)) == reason


def test_an_entry_that_says_more_is_prepared(config):
    from in2_plugin.training.axolotl.data import why_prepared

    entry = {"path": str(config.dataset), "type": "in2"}
    assert why_prepared(config(datasets=[{**entry, "shards": 2}])) == f"the dataset {entry['path']} has `shards:`"
    said = why_prepared(config(datasets=[entry, {"path": "x.jsonl", "type": "alpaca"}]))
    assert said == "x.jsonl is not of `type: in2`"


def test_lazy_data_of_a_loaded_configuration(config, mistral):
    from in2_plugin.training.axolotl.args import IN2Options
    from in2_plugin.training.axolotl.data import load_lazily

    cfg = config(val_set_size=0.1, micro_batch_size=2)
    meta = load_lazily(cfg, IN2Options(), preprocess=False)
    assert (len(meta.train_dataset), len(meta.eval_dataset)) == (117, 13)
    assert meta.total_num_steps == 59
    assert cfg.total_num_tokens == meta.train_dataset.lengths.sum()
    assert load_lazily(config(), IN2Options(lazy=False), preprocess=False) is None


def test_lazy_that_cannot_be_had_is_refused(config):
    from in2_plugin.errors import ConfigError
    from in2_plugin.training.axolotl.args import IN2Options
    from in2_plugin.training.axolotl.data import load_lazily

    cfg = config(dataset_exact_deduplication=True)
    with pytest.raises(
        ConfigError, match=r"`in2: \{lazy: true\}` cannot be had: `dataset_exact_deduplication:` is set"
    ):
        load_lazily(cfg, IN2Options(lazy=True), preprocess=False)
    assert load_lazily(cfg, IN2Options(), preprocess=False) is None


@pytest.mark.parametrize("size", [130, 0.001])
def test_nothing_to_hold_out_or_to_train_on_is_refused(config, size):
    from in2_plugin.errors import ConfigError
    from in2_plugin.training.axolotl.args import IN2Options
    from in2_plugin.training.axolotl.data import load_lazily

    with pytest.raises(ConfigError, match="leaves nothing of 130 examples"):
        load_lazily(config(val_set_size=size), IN2Options(), preprocess=False)


def test_a_run_that_cannot_teach_is_refused_before_the_model_is_loaded(config, mistral_folder):
    from in2_plugin.axolotl import IN2Plugin

    cfg = config()
    shape = '{"model_type": "mistral", "vocab_size": 32000, "sliding_window": 512}'
    (mistral_folder / "config.json").write_text(shape)
    with pytest.raises(SystemExit) as caught:
        IN2Plugin().load_datasets(cfg)
    said = str(caught.value)
    assert said.startswith("in2: ") and "a window of 512 tokens is smaller than the longest example" in said
    assert "`in2: {preflight: false}`, to go on all the same" in said
    cfg.in2 = {"preflight": False}
    assert len(IN2Plugin().load_datasets(cfg).train_dataset) == 130
