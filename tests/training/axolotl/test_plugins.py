"""Which plugins a config lists, whether ours acts on it, and plugins that cannot be imported."""

import os
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

from axolotl.integrations import base

from in2_plugin.errors import ConfigError
from in2_plugin.training.axolotl import plugins
from in2_plugin.training.axolotl.plugins import (
    PLUGIN,
    config_in_preparation,
    has_plugin,
    in2_entries,
    is_active,
    loaded_unlisted,
    plugin_names,
    refuse_missing_plugins,
    require_plugin,
    trains_on_prompts,
)

OURS, OTHER = {"path": "a", "type": "in2"}, {"path": "b", "type": "completion"}
DOTTED = {"path": "c", "type": "in2_plugin.axolotl"}


def test_in2_entries_of_both_sections():
    assert list(in2_entries({"datasets": [OURS, OTHER], "test_datasets": [DOTTED]})) == [OURS, DOTTED]
    assert list(in2_entries({})) == []


def test_kinds_of_reinforcement_learning():
    assert trains_on_prompts({"rl": "grpo"}) and trains_on_prompts({"rl": "gdpo"}) and not trains_on_prompts({})
    with pytest.raises(ConfigError, match=r"`rl: kto` needs other data .*; set `rl: grpo`, or remove `rl:`"):
        trains_on_prompts({"rl": "kto"})


def test_names_are_dotted_whatever_their_form():
    by_class, by_source = {"cls": "a.b:C", "source": "https://x/y"}, {"source": "https://x/y"}
    listed = [PLUGIN, "in2_plugin.axolotl:IN2Plugin", by_class, by_source]
    assert plugin_names({"plugins": listed}) == [PLUGIN, PLUGIN, "a.b.C"]
    assert plugin_names({}) == plugin_names({"plugins": None}) == []


@pytest.mark.parametrize(
    "cfg",
    [{"plugins": [PLUGIN]}, {"plugins": ["in2_plugin.axolotl:IN2Plugin"]}, {"in2": {}}, {"datasets": [OTHER, OURS]},
     {"datasets": [DOTTED]}, {"test_datasets": [OURS]}],
)  # fmt: skip
def test_configs_that_use_in2(cfg):
    assert is_active(cfg)


@pytest.mark.parametrize(
    "cfg",
    [{}, {"plugins": ["axolotl.integrations.liger.LigerPlugin"]}, {"in2": None}, {"datasets": [OTHER]},
     {"datasets": "a.jsonl", "plugins": "b"}, {"datasets": ["a.jsonl", {"path": "a", "type": {"system_prompt": ""}}]}],
)  # fmt: skip
def test_other_configs_valid_or_not(cfg):
    assert not is_active(cfg)


@pytest.mark.parametrize("unlisted", [True, False])
def test_the_plugin_is_listed_or_loaded_and_used(monkeypatch, unlisted):
    monkeypatch.setattr(plugins, "loaded_unlisted", lambda: unlisted)
    assert has_plugin({"plugins": [PLUGIN]}) and not has_plugin({"datasets": [OTHER]})
    assert has_plugin({"datasets": [OURS]}) is has_plugin({"in2": {"lazy": True}}) is unlisted


@pytest.mark.parametrize(
    ("values", "loads"),
    [
        (("in2_plugin.axolotl:IN2Plugin",), False),
        (("axolotl.integrations.x:X",), False),
        (("axolotl.integrations.x:X", "in2_plugin.axolotl:IN2Plugin"), True),
    ],
)
def test_axolotl_loads_entry_points_if_it_has_its_own(monkeypatch, values, loads):
    points = EntryPoints(EntryPoint("a", value, "axolotl.plugins") for value in values)
    monkeypatch.setattr(plugins, "entry_points", lambda group: points.select(group=group))
    assert loaded_unlisted.__wrapped__() is loads


def test_the_installed_axolotl_loads_the_entry_point_if_it_can():
    assert loaded_unlisted() is hasattr(base, "get_builtin_plugins")


@pytest.mark.parametrize(
    ("cfg", "what"), [({"datasets": [OURS]}, "type: in2"), ({"datasets": [DOTTED], "in2": {}}, "in2:")]
)
def test_without_entry_points_the_plugin_must_be_listed(monkeypatch, cfg, what):
    monkeypatch.setattr(plugins, "loaded_unlisted", lambda: False)
    with pytest.raises(ConfigError, match=f"`{what}` needs the plugin, .*; add `plugins: .in2_plugin.axolotl.IN2Pl"):
        require_plugin(cfg)
    require_plugin({**cfg, "plugins": [PLUGIN]})
    monkeypatch.setattr(plugins, "loaded_unlisted", lambda: True)
    require_plugin(cfg)


def test_the_dotted_type_needs_no_plugin(monkeypatch):
    monkeypatch.setattr(plugins, "loaded_unlisted", lambda: False)
    require_plugin({"datasets": [DOTTED, OTHER]})


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (["no_such.Plugin"], "the plugin `no_such.Plugin` cannot be imported (No module named 'no_such'); install it"),
        (["in2_plugin.axolotl.IN2Plugn"], "`in2_plugin.axolotl.IN2Plugn` cannot be imported (module 'in2_plugin.axol"),
        (["broken_plugin.Plugin"], "`broken_plugin.Plugin` cannot be imported (it needs a GPU); install it or remove"),
        (["Plugin"], "the plugin `Plugin` cannot be imported ("),
        (PLUGIN, "`plugins:` must be a list of names; write e.g. `plugins: ["),
        ([{"cls": "a.B", "source": "https://x/y"}], "`plugins:` must be a list of names; write"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_one_sentence(monkeypatch, tmp_path, listed, message):
    (tmp_path / "broken_plugin.py").write_text("raise RuntimeError('it needs\\na GPU.')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as caught:
        refuse_missing_plugins({"plugins": [PLUGIN, *listed] if isinstance(listed, list) else listed})
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_names_of_axolotls_own_integrations_may_be_short():
    refuse_missing_plugins({"plugins": ["swanlab.SwanLabPlugin", PLUGIN]})
    assert "axolotl.integrations.swanlab" in sys.modules
    refuse_missing_plugins({})


def test_names_with_a_colon_are_valid_where_axolotl_reads_them():
    cfg = {"plugins": ["in2_plugin.axolotl:IN2Plugin"]}
    if hasattr(base, "normalize_plugin_name"):
        refuse_missing_plugins(cfg)
        return
    with pytest.raises(ConfigError, match=r"cannot read the plugin name `in2_plugin.axolotl:IN2Plugin`; write `in2_pl"):
        refuse_missing_plugins(cfg)


def test_the_config_that_axolotl_prepares_is_found():
    def prepare_plugins(cfg):
        return config_in_preparation()

    assert prepare_plugins({"a": 1}) == {"a": 1}
    assert config_in_preparation() == {}
