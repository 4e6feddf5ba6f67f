import json

import pytest
from jsonschema import Draft202012Validator

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.read_results import read_models
from in2_plugin.reporting.report_json import as_json
from tests.support import lm_eval_results as made


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
NULL = {"type": "null"}


def maybe(schema):
    return {"anyOf": [schema, NULL]}


def limits(lowest):
    return maybe({"type": "array", "items": FRACTION | {"minimum": lowest}, "minItems": 2, "maxItems": 2})


COUNT = {"type": "integer", "minimum": 0}
ESTIMATE = closed(value={"type": "number"}, interval=maybe({"type": "array", "items": {"type": "number"}}))
POSITION = maybe(closed(dip=ESTIMATE, slope=ESTIMATE, middle=ESTIMATE))
VERDICTS = ["improved", "no_change", "worse", "dip", "uneven", "even", "known", "floor", "ceiling", "unknown"]
INTERVALS = closed(avg=limits(0), gap=limits(0), spans={"type": "array", "items": limits(0)})
FLAT_GAP = closed(
    method={"enum": ["shuffled scores", "binomial"]},
    expected=FRACTION,
    percentile_95=FRACTION,
    at_least=COUNT,
    draws=COUNT,
    p_value=FRACTION,
)
TASK = closed(
    name=TEXT,
    family={"enum": ["val", "closed_book", "matrix", "paper"]},
    task={"enum": ["document", "code", "database"]},
    pattern={"enum": ["forward", "backward", "bidirectional", None]},
    length=COUNT,
    digest=MAYBE,
    position=POSITION,
    avg=FRACTION,
    gap=FRACTION,
    as_published=maybe(SCORE),
    spans={"type": "array", "items": maybe(FRACTION), "minItems": 1},
    intervals=maybe(INTERVALS),
    rows=COUNT,
    floors=closed(echo=maybe(FRACTION), other=maybe(FRACTION)),
    unfinished_thoughts=maybe(FRACTION),
    flat_gap=FLAT_GAP,
    gap_beyond_chance={"type": "boolean"},
    options={"type": "object", "additionalProperties": TEXT},
    model_args={"type": "object", "additionalProperties": TEXT},
    chat_template_applied={"type": ["boolean", "null"]},
    task_version=MAYBE,
    date=MAYBE,
    lm_eval=MAYBE,
    file=TEXT,
)
MATRIX = closed(length=COUNT, explained_by_pattern=maybe(FRACTION), explained_by_style=maybe(FRACTION))
MODEL = closed(
    label=TEXT,
    model_name=TEXT,
    source=TEXT,
    all=maybe(SCORE),
    all_avg_interval=limits(0),
    all_position=POSITION,
    missing=TEXTS,
    tasks={"type": "object", "additionalProperties": TASK},
    probes={"type": "array", "items": TASK},
    effective_lengths={"type": "object", "additionalProperties": maybe(COUNT)},
    matrix={"type": "array", "items": MATRIX},
)
SIGNED = {"type": "number", "minimum": -1, "maximum": 1}
DIFFERENCE = closed(
    before=TEXT,
    after=TEXT,
    tasks=TEXTS,
    same_questions={"type": "boolean"},
    position=POSITION,
    avg=SIGNED,
    avg_interval=limits(-1),
    gap=SIGNED,
    gap_interval=limits(-1),
)
PAPER_ROW = closed(name=TEXT, measured=TEXT, document=SCORE, code=SCORE, database=SCORE, all=SCORE)
REPORT = closed(
    schema={"const": 2},
    in2_plugin=TEXT,
    summary=TEXT,
    warnings=TEXTS,
    notes=TEXTS,
    models={"type": "array", "items": MODEL, "minItems": 1},
    verdicts={
        "type": "array",
        "items": closed(task=TEXT, before=MAYBE, model=TEXT, about=TEXT, verdict={"enum": VERDICTS}, reason=TEXT),
    },
    differences={"type": "array", "items": DIFFERENCE},
    estimates=closed(draws=COUNT, seed=COUNT, confidence=FRACTION, effective_length_share=FRACTION),
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


def test_the_json_report_follows_its_schema(comparison):
    Draft202012Validator(REPORT).validate(as_json(comparison))


def test_a_report_with_missing_results_follows_the_schema(tmp_path):
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


def test_the_report_is_valid_json_without_secrets(comparison):
    text = json.dumps(as_json(comparison), allow_nan=False)
    assert "api_key" not in text


def test_a_report_with_every_kind_of_probe_follows_the_schema(rich):
    record = as_json(rich)
    Draft202012Validator(REPORT).validate(record)
    assert len(record["models"][0]["probes"]) == 3 * 3 + 3 + 9 + 3
    assert [one["tasks"] for one in record["differences"]][-1] == ["document", "code", "database"]
    assert record["models"][1]["matrix"][0]["explained_by_style"] > 0.5
    assert record["models"][0]["effective_lengths"]["code"] in (4096, 8192, 32768)


def test_intervals_equal_those_of_the_comparison(rich):
    model = rich.models[0]
    task = as_json(rich)["models"][0]["tasks"]["code"]
    known = rich.of(model, model.tasks["code"])
    assert task["intervals"]["gap"] == list(known.gap)
    assert task["intervals"]["spans"][3] == list(known.intervals.spans[3])
    assert task["flat_gap"]["p_value"] == known.flat.p_value
