import json

import lm_eval_results as made
import pytest
from jsonschema import Draft202012Validator

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.record import as_json
from in2_plugin.reporting.results import read_models


def closed(**properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


FRACTION = {"type": "number", "minimum": 0, "maximum": 1}
TEXT, TEXTS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
MAYBE = {"type": ["string", "null"]}
SCORE = closed(avg=FRACTION, gap=FRACTION)
TASK = closed(
    avg=FRACTION,
    gap=FRACTION,
    spans={"type": "array", "items": {"anyOf": [FRACTION, {"type": "null"}]}, "minItems": 15, "maxItems": 16},
    rows={"type": "integer"},
    flat_gap=closed(expected=FRACTION, percentile_95=FRACTION),
    gap_beyond_chance={"type": "boolean"},
    options={"type": "object", "additionalProperties": TEXT},
    model_args={"type": "object", "additionalProperties": TEXT},
    chat_template_applied={"type": ["boolean", "null"]},
    task_version=MAYBE,
    date=MAYBE,
    lm_eval=MAYBE,
    file=TEXT,
)
MODEL = closed(
    label=TEXT,
    model_name=TEXT,
    source=TEXT,
    all={"anyOf": [SCORE, {"type": "null"}]},
    missing=TEXTS,
    tasks={"type": "object", "additionalProperties": TASK},
)
PAPER_ROW = closed(name=TEXT, measured=TEXT, document=SCORE, code=SCORE, database=SCORE, all=SCORE)
REPORT = closed(
    schema={"const": 1},
    in2_plugin=TEXT,
    summary=TEXT,
    warnings=TEXTS,
    notes=TEXTS,
    models={"type": "array", "items": MODEL, "minItems": 1},
    flat_model=closed(draws={"type": "integer"}, seed={"type": "integer"}),
    paper=closed(
        rows={"type": "array", "items": PAPER_ROW},
        curves={
            "type": "object",
            "additionalProperties": {"type": "object", "additionalProperties": {"type": "array", "items": FRACTION}},
        },
        floors={
            "type": "object",
            "additionalProperties": {"type": "array", "items": closed(score=FRACTION, meaning=TEXT)},
        },
    ),
)


def test_the_record_keeps_to_its_schema(comparison):
    Draft202012Validator(REPORT).validate(as_json(comparison))


def test_so_does_a_record_with_holes(tmp_path):
    value = made.content("m", {"code": [None, *[0.5] * 15]})
    del value["date"], value["chat_template"], value["lm_eval_version"]
    made.write(tmp_path, value)
    record = as_json(compare(read_models([tmp_path])))
    Draft202012Validator(REPORT).validate(record)
    assert record["models"][0]["all"] is None
    assert record["models"][0]["missing"] == ["document", "database"]
    assert record["models"][0]["tasks"]["code"]["spans"][:2] == [None, 0.5]


def test_numbers_are_fractions_at_full_precision(comparison):
    record = as_json(comparison)
    database = record["models"][0]["tasks"]["database"]
    assert database["avg"] == pytest.approx(sum(made.paper_spans("Mistral")["database"]) / 15, abs=1e-12)
    assert record["paper"]["rows"][1]["all"] == {"avg": 0.859, "gap": 0.139}
    assert database["date"] == "2025-11-13T02:13:20+00:00"


def test_no_key_and_no_invalid_json(comparison):
    text = json.dumps(as_json(comparison), allow_nan=False)
    assert "api_key" not in text
