import json

import jsonschema
import pytest
import yaml

from in2_plugin.config.schema import build_schema
from tests.support import ROOT

MINIMAL = {"output": "o", "tokenizer": "t"}
BUILD_FILES = sorted((ROOT / "recipes").glob("*/build.yml"))


@pytest.fixture(scope="module")
def validator():
    schema = build_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(
    "more",
    [
        {"corpus": {"sources": ["a.jsonl", {"path": "b", "limit": 2}], "decontamination": {"sources": ["c"]}}},
        {"instructions": {"sources": ["d.parquet"]}},
        {"positions": "shuffle"},
        {"questions": {"writer": "endpoint", "endpoint": {"model": "m", "concurrency": "4-256"}}},
        {"questions": {"writer": "endpoint", "endpoint": {"model": "m", "concurrency": 8, "base_url": ["a", "b"]}}},
    ],
)
def test_short_forms_are_valid(validator, more):
    validator.validate({**MINIMAL, **more})


@pytest.mark.parametrize("more", [{"sed": 3}, {"corpus": {"segment_token": 3}}, {"seed": -1}, {"template": "chatml"}])
def test_unknown_keys_and_invalid_values_are_errors(validator, more):
    assert list(validator.iter_errors({**MINIMAL, **more}))


def test_every_field_has_an_explanation_on_one_line():
    schema = build_schema()
    sections = [schema, *schema["$defs"].values()]
    unexplained = [
        (section["title"], key)
        for section in sections
        for key, field in section.get("properties", {}).items()
        if "description" not in field and "$ref" not in json.dumps(field)
    ]
    # a line above explains these together
    assert {title for title, _ in unexplained} <= {"Concurrency", "Prices", "Prompts"}
    assert "\\n" not in json.dumps(schema)


@pytest.mark.parametrize("path", BUILD_FILES, ids=lambda path: path.parent.name)
def test_the_build_files_of_recipes_are_valid(validator, path):
    validator.validate(yaml.safe_load(path.read_text(encoding="utf-8")))
