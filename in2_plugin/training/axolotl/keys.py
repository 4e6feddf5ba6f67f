"""Check every key of an Axolotl config against Axolotl's own schema.

Axolotl silently drops unknown keys, at the top level and inside `datasets:`, and trains without them. Here an
unknown key is an error that names the nearest valid key. The valid keys come from the Pydantic models of Axolotl and
of all loaded plugins, so they follow the installed version.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from in2_plugin.config.base import models_in
from in2_plugin.config.sentences import nearest
from in2_plugin.errors import ConfigError

# Axolotl also reads the keys of `fsdp_config` with this prefix, although they are not fields
# (utils/schemas/validation.py).
_OLD_PREFIX = "fsdp_"


def refuse_unknown_keys(data: Mapping[str, Any], model: type[BaseModel], accepted: Sequence[str] = ()) -> None:
    """Raise for the first key of `data`, at any depth, that is not in the schema.

    Args:
        data: an Axolotl config as written in its file, before validation.
        model: the merged schema of Axolotl and its plugins.
        accepted: additional keys to accept, in dotted form.

    Raises:
        ConfigError: names the key, its path, and the nearest valid key.
    """
    for path, key, valid in _unknown(data, {model}, ""):
        if f"{path}{key}" not in accepted:
            near = nearest(key, valid)
            advice = f"did you mean `{near}`?" if near else "it would be ignored; remove it"
            raise ConfigError(
                f"axolotl does not know the key `{path}{key}`; {advice} "
                f"(to use it anyway, list it under `in2: {{accept_keys: [...]}}`)"
            )


def _unknown(
    data: Mapping[str, Any], models: set[type[BaseModel]], path: str
) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield (path, key, valid keys) for each unknown key of a section, then of the sections inside it."""
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
    """Yield (path, mapping) for the value itself or for each item of a list."""
    if isinstance(value, Mapping):
        yield f"{path}.", value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, Mapping):
                yield f"{path}[{index}].", item
