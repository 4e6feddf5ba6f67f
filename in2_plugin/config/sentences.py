"""Say in one sentence what is wrong with a value of a configuration, instead of in Pydantic's words.

Each sentence has the key, the accepted form, what was given and, where it is not obvious, what to write. Pydantic's
types of errors: https://docs.pydantic.dev/latest/errors/validation_errors/
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Error = Mapping[str, Any]
"""One item of `ValidationError.errors()`: `type`, `ctx`, `msg`, `input` and others."""

_TYPES = {
    "a whole number (like 8)": ("int_type", "int_parsing", "int_from_float", "int_parsing_size"),
    "a number (like 0.5)": ("float_type", "float_parsing"),
    "a finite number": ("finite_number",),
    "true or false": ("bool_type", "bool_parsing"),
    "text": ("string_type",),
    "a path": ("path_type",),
    "a list (like [a, b])": ("list_type", "tuple_type", "set_type", "frozen_set_type"),
    "a section of keys and values": ("dict_type", "mapping_type", "model_type", "model_attributes_type"),
    "greater than {gt}": ("greater_than",),
    "at least {ge}": ("greater_than_equal",),
    "less than {lt}": ("less_than",),
    "at most {le}": ("less_than_equal",),
    "{expected}": ("literal_error", "enum"),
    "a list of at least {min_length} values": ("too_short",),
    "a list of at most {max_length} values": ("too_long",),
}
FORMS = {kind: form for form, kinds in _TYPES.items() for kind in kinds}
"""Pydantic's error type -> the accepted form, to follow "must be"; names in braces are keys of `ctx`."""


def nearest(key: str, valid: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the valid key that `key` most likely misspells, or None when nothing is close (`cutoff`, of 1)."""
    found = difflib.get_close_matches(key, list(valid), n=1, cutoff=cutoff)
    return found[0] if found else None


def wrong_value(name: str, errors: Sequence[Error], keys: Iterable[str]) -> str:
    """Return the sentence about one value.

    Args:
        name: of the value, as the sentence starts.
        errors: one error, or one for each form that the value may have.
        keys: valid keys, if the value may be a section.
    """
    error = errors[0]
    given = error.get("input")
    if error["type"] == "value_error":  # by a validator of ours, or of another package's writer
        return f"{name}: {_own_message(error)}"
    forms = [_form(each) for each in errors]
    if None in forms:
        return f"{name}: {_reworded(error['msg'])}{_got(given)}"
    advice = _advice(error, given, sorted(keys))
    return f"{name} must be {' or '.join(dict.fromkeys(map(str, forms)))}{_got(given)}{advice}"


def _form(error: Error) -> str | None:
    form = FORMS.get(error["type"])
    return form and form.format(**error.get("ctx", {})).replace("'", "`")


def _own_message(error: Error) -> str:
    message, given = str(error["msg"]).removeprefix("Value error, "), error.get("input")
    is_shown = isinstance(given, str | int | float | bool | None) and repr(given) not in message
    return message + (_got(given) if is_shown else "")


def _reworded(message: str) -> str:
    """Return a message of Pydantic about a type that no section of ours has."""
    return re.sub(r"^Input should (be )?", lambda found: f"must {found[1] or ''}", message)


def _got(given: object) -> str:
    if given is None:
        return ", got nothing (null)"
    if isinstance(given, bool):
        return f", got {str(given).lower()}"
    if isinstance(given, Mapping):
        return ", got a section of keys and values"
    if isinstance(given, list | tuple):
        return f", got a list of {len(given)}"
    shown = repr(given)
    return f", got {shown if len(shown) <= 80 else shown[:77] + '...'}"


def _advice(error: Error, given: object, keys: list[str]) -> str:
    if given is None:
        return "; give a value or delete the key"
    kind = error["type"]
    if kind in ("literal_error", "enum"):
        near = nearest(str(given), re.findall(r"'([^']*)'", error["ctx"]["expected"]))
        return f"; did you mean `{near}`?" if near else ""
    if kind == "string_type" and isinstance(given, int | float):
        return "; write it in quotes"
    if FORMS[kind] == FORMS["list_type"] and isinstance(given, str):
        return f"; write [{given}]"
    if kind in ("model_type", "model_attributes_type") and keys:
        return f"; its keys are {', '.join(keys)}"
    return ""
