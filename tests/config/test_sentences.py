"""Errors about values: one sentence in our own words, for every field of a build file."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated

import pytest
from pydantic import Field

from in2_plugin.config import BuildConfig, Config, nearest
from in2_plugin.config.base import models_in
from in2_plugin.errors import ConfigError

MINIMAL = {"output": "out", "tokenizer": "model"}
HOSTILE = [
    None, True, -1, 0, 1.5, float("nan"), float("inf"), 10**400, "x", "", "1_", date(2026, 1, 1), [], [1],
    ["a", "b", "c"], [[]], [None], {}, {"a": 1}, {1: 2}, {"min": "x"}, b"x",
]  # fmt: skip


def paths(model: type, above: tuple = ()) -> Iterator[tuple]:
    """Yield the location of every field, with 0 for an item of a list."""
    for name, field in model.model_fields.items():
        yield (*above, name)
        item = (0,) if "tuple[" in str(field.annotation) else ()
        for inner in models_in(field.annotation):
            yield from paths(inner, (*above, name, *item))


def file_with(path: tuple, value: object) -> dict:
    for part in reversed(path):
        value = [value] if part == 0 else {part: value}
    return {**MINIMAL, **value}


def sentence(model: type[Config], data: object) -> str:
    with pytest.raises(ConfigError) as caught:
        model.parse(data, "b.yml")
    return str(caught.value).removeprefix("b.yml: ")


@pytest.mark.parametrize("path", dict.fromkeys(paths(BuildConfig)), ids=lambda path: ".".join(map(str, path)))
def test_no_value_of_any_key_gives_an_error_in_the_words_of_pydantic(path):
    for value in HOSTILE:
        try:
            BuildConfig.parse(file_with(path, value), "b.yml")
        except ConfigError as error:
            assert not re.search(r"(?i)input should|instance of|should|validation|\n", str(error)), (value, str(error))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"seed": "many"}, "`seed` must be a whole number (like 8), got 'many'"),
        ({"seed": 1.5}, "`seed` must be a whole number (like 8), got 1.5"),
        ({"seed": -1}, "`seed` must be at least 0, got -1"),
        ({"questions_per_context": 33}, "`questions_per_context` must be at most 32, got 33"),
        ({"lengths": {"min": 0}}, "`lengths.min` must be greater than 0, got 0"),
        ({"questions": {"min_yield": 1}}, "`questions.min_yield` must be less than 1.0, got 1"),
        ({"audit": {"sample": None}}, "`audit.sample` must be a whole number (like 8), got nothing (null); give"),
        ({"audit": {"mixture_error": "low"}}, "`audit.mixture_error` must be a number (like 0.5), got 'low'"),
        ({"distractors": {"answer": "maybe"}}, "`distractors.answer` must be true or false, got 'maybe'"),
        ({"tokenizer": 7}, "`tokenizer` must be text, got 7; write it in quotes"),
        ({"output": [1]}, "`output` must be a path, got a list of 1"),
        ({"corpus": {"sources": "a.txt"}}, "`corpus.sources` must be a list (like [a, b]), got 'a.txt'; write [a.txt]"),
        ({"lengths": 9}, "`lengths` must be a section of keys and values, got 9; its keys are max, min"),
        ({"ray": {"runtime_env": 3}}, "`ray.runtime_env` must be a section of keys and values, got 3"),
        ({"ray": {"runtime_env": {1: 2}}}, "`ray.runtime_env.1` is not a valid key; write it in quotes"),
        ({"template": "films"}, "`template` must be `chat` or `film`, got 'films'; did you mean `film`?"),
        ({"audit": {"answer_tokens": [2]}}, "`audit.answer_tokens.1` is missing; the list needs more values"),
        ({"audit": {"answer_tokens": [2, 3, 4]}}, "`audit.answer_tokens` must be a list of at most 2 values, got a"),
    ],
)  # fmt: skip
def test_a_sentence_has_the_key_the_accepted_form_and_what_was_given(data, expected):
    assert sentence(BuildConfig, {**MINIMAL, **data}).startswith(expected)


def test_a_value_of_several_forms_gets_one_sentence():
    endpoint = {"questions": {"writer": "endpoint", "endpoint": {"model": "m", "base_url": 5}}}
    expected = "`questions.endpoint.base_url` must be text or a list (like [a, b]), got 5; write it in quotes"
    assert sentence(BuildConfig, {**MINIMAL, **endpoint}) == expected


def test_types_that_only_other_packages_use_get_a_sentence_too():
    class Settings(Config):
        since: date = date(2026, 1, 1)
        code: Annotated[str, Field(pattern="^a+$")] = "a"

    assert sentence(Settings, {"since": "soon"}).startswith("`since`: must be a valid date or datetime")
    assert sentence(Settings, {"code": "b"}) == "`code`: String should match pattern '^a+$', got 'b'"


def test_long_values_are_shortened():
    assert sentence(BuildConfig, {**MINIMAL, "seed": "9x" * 500}).endswith("9x9x...")


def test_nearest_returns_none_without_a_close_match():
    assert nearest("seeed", {"seed", "output"}) == "seed"
    assert nearest("qqq", {"seed", "output"}) is None
