"""Read `plugins:` of an Axolotl config, and decide whether our plugin acts on a run.

Axolotl 0.21 loads our plugin in every run, from its entry point. Invariant: only runs change whose config lists the
plugin, has an `in2:` section, or has a dataset of ours. Cost: standard library only, until a listed plugin is checked.
"""

import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import Any

from in2_plugin.errors import ConfigError, one_line

PLUGIN = "in2_plugin.axolotl.IN2Plugin"
TYPES = ("in2", "in2_plugin.axolotl")
"""Values of a dataset's `type:` that make it an IN2 dataset."""
ENTRY_POINTS = "axolotl.plugins"
SECTIONS = ("datasets", "test_datasets")
PROMPTED = ("grpo", "gdpo")
"""Values of `rl:` that train on prompts and rewards."""


def in2_entries(cfg: Mapping[str, Any], sections: Sequence[str] = SECTIONS) -> Iterator[Any]:
    """Yield every dataset entry of `type: in2`."""
    for section in sections:
        for dataset in _list(cfg, section):
            if isinstance(dataset, Mapping) and dataset.get("type") in TYPES:
                yield dataset


def rl_of(cfg: Mapping[str, Any]) -> str:
    """Return the value of `rl:` as written in a file, which Axolotl turns into a member of an enumeration."""
    kind = cfg.get("rl")
    return str(getattr(kind, "value", kind) or "")


def trains_on_prompts(cfg: Mapping[str, Any]) -> bool:
    """Return True if a config trains on prompts and rewards, and False if it trains on the stored answers.

    Raises:
        ConfigError: `rl:` asks for something that no dataset of ours has.
    """
    kind = rl_of(cfg)
    if kind and kind not in PROMPTED:
        raise ConfigError(
            f"`rl: {kind}` needs other data than questions with answers, which datasets of `type: in2` have; set "
            "`rl: grpo`, or remove `rl:`"
        )
    return bool(kind)


def plugin_names(cfg: Mapping[str, Any]) -> list[str]:
    """Return the listed plugins as `module.Class`; `module:Class` and mappings with `cls:` are names too."""
    listed = [entry.get("cls") if isinstance(entry, Mapping) else entry for entry in _list(cfg, "plugins")]
    return [_dotted(name) for name in listed if name]


def is_active(cfg: Mapping[str, Any]) -> bool:
    """Return True if a config uses IN2, so that our plugin acts on the run where it is loaded."""
    return PLUGIN in plugin_names(cfg) or cfg.get("in2") is not None or any(in2_entries(cfg))


def has_plugin(cfg: Mapping[str, Any]) -> bool:
    """Return True if our plugin acts on a run: it is listed, or loaded from its entry point and used."""
    return is_active(cfg) and (PLUGIN in plugin_names(cfg) or loaded_unlisted())


@cache
def loaded_unlisted() -> bool:
    """Return True if the installed Axolotl loads our plugin from its entry point, without `plugins:`."""
    names = [_dotted(point.value) for point in entry_points(group=ENTRY_POINTS)]
    # a version of Axolotl that reads the group declares plugins of its own in it
    return PLUGIN in names and any(name.startswith("axolotl.") for name in names)


def require_plugin(cfg: Mapping[str, Any]) -> None:
    """Raise if a config uses IN2 in a way that needs the plugin, and Axolotl will not load it.

    Raises:
        ConfigError: names the line to add.
    """
    # Axolotl finds `type: in2_plugin.axolotl` without the plugin
    named = any(entry["type"] == "in2" for entry in in2_entries(cfg))
    if (named or cfg.get("in2") is not None) and not has_plugin(cfg):
        raise ConfigError(
            f"`{'type: in2' if named else 'in2:'}` needs the plugin, which this version of Axolotl loads only if it is "
            f"listed; add `plugins: [{PLUGIN}]`"
        )


def refuse_missing_plugins(cfg: Mapping[str, Any]) -> None:
    """Raise for a listed plugin that cannot be imported: Axolotl 0.19 trains without it, 0.21 ends in a traceback.

    Raises:
        ConfigError: names the plugin and the reason.
    """
    from axolotl.integrations import base
    from axolotl.utils.schemas.config import AxolotlInputConfig
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(AxolotlInputConfig.model_fields["plugins"].annotation).validate_python(cfg.get("plugins"))
    except ValidationError:
        raise ConfigError(f"`plugins:` must be a list of names; write e.g. `plugins: [{PLUGIN}]`") from None
    for name in _list(cfg, "plugins"):
        if ":" in str(name) and not hasattr(base, "normalize_plugin_name"):
            raise ConfigError(f"this version of Axolotl cannot read the plugin name `{name}`; write `{_dotted(name)}`")
    for name in plugin_names(cfg):
        try:
            _import(name)
        except Exception as error:  # a module may raise anything while it is imported
            reason = one_line(error).rstrip(".")
            raise ConfigError(
                f"the plugin `{name}` cannot be imported ({reason}); install it or remove it from `plugins:`"
            ) from error


def config_in_preparation() -> Mapping[str, Any]:
    """Return the config whose plugins Axolotl is loading, found in the calling frames, or an empty one.

    Axolotl 0.21 imports every listed plugin before it hands the config to the first one.
    """
    for frame, _ in traceback.walk_stack(sys._getframe()):
        if frame.f_code.co_name == "prepare_plugins" and isinstance(cfg := frame.f_locals.get("cfg"), Mapping):
            return cfg
    return {}


def _list(cfg: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list of the config; Axolotl itself reports a value of another type."""
    value = cfg.get(key)
    return value if isinstance(value, list) else []


def _dotted(name: object) -> str:
    return str(name).replace(":", ".")


def _import(name: str) -> object:
    """Import a plugin's class as Axolotl does: the module may be the name of one of its own integrations."""
    module, _, kind = name.rpartition(".")
    try:
        return resolve_name(f"{module}:{kind}")
    except ModuleNotFoundError as error:
        try:
            return resolve_name(f"axolotl.integrations.{module}:{kind}")
        except ModuleNotFoundError:
            raise error from None
