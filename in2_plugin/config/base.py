"""The base class of all configuration, whose errors are one sentence; `sentences.py` words those about values.

Invariant: an unknown key is an error that names the nearest valid key, at any depth.
"""

import inspect
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from in2_plugin.config.sentences import nearest, wrong_value
from in2_plugin.errors import ConfigError

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class AddedLater:
    """Marks a field, within `Annotated`, that earlier versions did not have.

    At its default it is not written, so that build.json of their datasets stays the same.
    """


class Config(BaseModel):
    """Base class of every section: immutable, and unknown keys are errors.

    The docstring under a field is its explanation in docs/build-file.md and in the JSON schema.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @classmethod
    def parse(cls, data: object, origin: str) -> Self:
        """Validate `data`.

        Raises:
            ConfigError: one sentence that starts with `origin`.
        """
        return parse_config(cls, data, origin)

    @model_serializer(mode="wrap")
    def _omit_added_fields(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        for name, field in type(self).model_fields.items():
            if AddedLater() in field.metadata and getattr(self, name) == field.default:
                written.pop(name, None)
        return written


def changeable(default: Any) -> Any:
    """Declare a field that you can change between two builds into one folder: no question or example depends on it.

    It is not part of `repr`, from which finished shards are recognized.
    """
    return Field(default, repr=False, json_schema_extra={"changeable": True})


def parse_config(model: type[ModelT], data: object, origin: str) -> ModelT:
    """Validate `data` as `model`.

    Raises:
        ConfigError: names the first wrong key or value and the nearest valid key, and counts the other errors.
    """
    try:
        return model.model_validate(data)
    except ValidationError as failure:
        raise ConfigError(f"{origin}: {first_error(model, failure)}") from None


def first_error(model: type[BaseModel], failure: ValidationError) -> str:
    """Return one sentence about the first wrong key or value, with the number of other errors."""
    # a misspelled key often leaves a required one missing; name the misspelling first
    errors = sorted(failure.errors(), key=lambda error: error["type"] != "extra_forbidden")
    by_path: dict[tuple[int | str, ...], list[Any]] = {}
    for error in errors:  # a union has one error for each of its forms
        by_path.setdefault(tuple(part for part in error["loc"] if not _is_union_tag(part)), []).append(error)
    location, first = next(iter(by_path.items()))
    more = f" (and {len(by_path) - 1} more)" if len(by_path) > 1 else ""
    return f"{_sentence(model, location, first)}{more}"


def _sentence(model: type[BaseModel], location: tuple[int | str, ...], errors: list[Any]) -> str:
    name = f"`{'.'.join(map(str, location))}`" if location else "the file"
    kind = errors[0]["type"]
    if kind == "extra_forbidden":
        valid = _fields_at(model, location[:-1])
        near = nearest(str(location[-1]), valid) or _elsewhere(model, str(location[-1]))
        advice = f"did you mean `{near}`?" if near else f"valid keys are {', '.join(sorted(valid))}"
        return f"unknown key {name}; {advice}"
    if kind == "missing":
        is_item = location and isinstance(location[-1], int)  # of a list with a fixed number of values
        return f"{name} is missing; the list needs more values" if is_item else f"{name} is required"
    if kind == "invalid_key" or "[key]" in errors[0]["loc"]:
        return f"{name} is not a valid key; write it in quotes"
    return wrong_value(name, errors, _fields_at(model, location))


def _elsewhere(model: type[BaseModel], key: str) -> str | None:
    """Return the dotted path of the key in another section that `key` most likely means, if only one is close."""
    paths = list(_paths(model))
    near = nearest(key, {path.rpartition(".")[2] for path in paths}, cutoff=0.8)
    found = [path for path in paths if path.rpartition(".")[2] == near]
    return found[0] if len(found) == 1 else None


def _paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        for inner in models_in(field.annotation):
            yield from _paths(inner, f"{prefix}{name}.")


def _is_union_tag(part: object) -> bool:
    return isinstance(part, str) and ("[" in part or part in {"str", "int", "float", "bool"})


def _fields_at(model: type[BaseModel], location: Sequence[int | str]) -> set[str]:
    """Return the field names of the section at `location`, looking through optionals, lists and unions."""
    models = {model}
    for part in location:
        if isinstance(part, str):
            models = {
                inner
                for outer in models
                if part in outer.model_fields
                for inner in models_in(outer.model_fields[part].annotation)
            } or models
    return {name for found in models for name in found.model_fields}


def models_in(annotation: Any) -> set[type[BaseModel]]:
    """Return every Pydantic model in an annotation: `list[A] | B | None` gives {A, B}."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for inner in typing.get_args(annotation) for model in models_in(inner)}
