"""Every key of an Axolotl file, checked against the schema that Axolotl itself uses.

Axolotl 0.19 drops keys that it does not know, at the top level and inside `datasets:`, and trains on without them.
Here they are errors that name the nearest valid key. What counts as valid is read from Axolotl's own Pydantic
models, with those of all loaded plugins, so it follows the installed version.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from in2_plugin.config.base import models_in, nearest
from in2_plugin.errors import ConfigError

# Read by Axolotl 0.19 without being fields: `fsdp_config` takes its keys with this prefix as well
# (utils/schemas/validation.py).
_OLD_PREFIX = "fsdp_"


def refuse_missing_plugins(listed: Sequence[str]) -> None:
    """Raise for a plugin that is not loaded: Axolotl logs one that cannot be imported, and trains on without it.

    Raises:
        ConfigError: names it.
    """
    from axolotl.integrations.base import PluginManager

    loaded = PluginManager.get_instance().plugins
    for name in listed:
        if name not in loaded:
            raise ConfigError(f"the plugin `{name}` cannot be imported; install it or remove it from `plugins:`")


def refuse_unknown_keys(data: Mapping[str, Any], model: type[BaseModel], accepted: Sequence[str] = ()) -> None:
    """Raise for the first key of `data`, at any depth, that no schema knows.

    Args:
        data: an Axolotl configuration as its file says it, before validation.
        model: the merged schema of Axolotl and its plugins.
        accepted: further keys to let pass, in dotted form.

    Raises:
        ConfigError: names the key, where it is, and the nearest valid key.
    """
    for path, key, valid in _unknown(data, {model}, ""):
        if f"{path}{key}" not in accepted:
            near = nearest(key, valid)
            advice = f"did you mean `{near}`?" if near else "it would be ignored; remove it"
            raise ConfigError(
                f"axolotl does not know the key `{path}{key}`; {advice} "
                f"(a key that is right all the same goes under `in2: {{accept_keys: [...]}}`)"
            )


def _unknown(
    data: Mapping[str, Any], models: set[type[BaseModel]], path: str
) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Unknown keys of one section, as (path, key, valid keys), then those of the sections inside it."""
    if any(model.model_config.get("extra") == "allow" for model in models):
        return
    fields: dict[str, set[type[BaseModel]]] = {}
    for model in models:
        for name, field in model.model_fields.items():
            inner = models_in(field.annotation)
            for known in {name, field.alias or name}:
                fields.setdefault(known, set()).update(inner)
    for key, value in data.items():
        if key not in fields and str(key).removeprefix(_OLD_PREFIX) not in fields:
            yield path, str(key), frozenset(fields)
        elif inner_models := fields.get(key):
            for where, section in _sections(f"{path}{key}", value):
                yield from _unknown(section, inner_models, where)


def _sections(path: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The mappings directly inside a value: itself, or the items of a list."""
    if isinstance(value, Mapping):
        yield f"{path}.", value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, Mapping):
                yield f"{path}[{index}].", item
