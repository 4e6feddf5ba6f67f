import pytest

from in2_plugin.config import Concurrency, QuestionsConfig
from in2_plugin.errors import ConfigError

PRICED = {"endpoint": {"model": "m", "prices": {"input": 1, "output": 2}}}
EURO = {"input": 1, "output": 2, "currency": "EUR"}
ENDPOINT = {"writer": "endpoint", "endpoint": {"model": "m"}}


def parsed(**changes) -> QuestionsConfig:
    return QuestionsConfig.parse({**ENDPOINT, **changes}, "build.yml")


@pytest.mark.parametrize(
    ("given", "least", "most"), [("4-256", 4, 256), ("4..256", 4, 256), (" 8 - 9 ", 8, 9), ("16", 16, 16), (16, 16, 16)]
)
def test_concurrency_is_a_range_or_a_number(given, least, most):
    found = parsed(endpoint={"model": "m", "concurrency": given}).endpoint.concurrency
    assert found == Concurrency(min=least, max=most)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"endpoint": {"model": "m", "concurrency": "9-3"}}, "`min` is 9 and `max` is 3"),
        ({"endpoint": {"model": "m", "concurrency": "many"}}, "give a range like `4-256`"),
        ({"endpoint": {"model": "m", "concurency": 3}}, "did you mean `concurrency`?"),
        ({"endpoint": {"model": "m", "max_error_rate": 0}}, "max_error_rate"),
        ({"endpoint": None}, "needs a section `endpoint:`"),
        ({"writer": "vllm"}, "needs a section `vllm:`"),
        ({"questions_per_call": 0}, "questions_per_call"),
        ({"prompts": {"integration": "Ask about it."}}, "has no `{context}`"),
        ({"verify": {"fine_grained": ["needs_all"]}}, "is for integration questions"),
        ({"writer": "extractive", "verify": {"integration": ["answerable"]}}, "`verify` needs a language model"),
        ({"writer": "vllm", "vllm": {"model": "m"}, "verify": {"judge": {"model": "j"}}}, "the same model judges"),
        ({"writer": "extractive", "max_calls": 9}, "`max_calls` limits the calls of `endpoint` and `vllm`"),
        ({"max_cost": 9}, "`max_cost` needs `endpoint.prices`"),
        ({"max_cost": 9, **PRICED, "verify": {"judge": {"model": "j"}}}, "`max_cost` needs `verify.judge.prices`"),
        ({"max_cost": 9, **PRICED, "verify": {"judge": {"model": "j", "prices": EURO}}}, "needs one currency"),
        ({"writer": "vllm", "vllm": {"model": "m"}, "max_cost": 9}, "has no prices for `max_cost`"),
        ({"forms": {"prose": 2}}, "`writer: endpoint` has no forms of questions to weigh"),
        ({"writer": "extractive", "forms": {"word_before": 2}}, "did you mean `words_before`? The names are forward, "),
        ({"writer": "extractive", "forms": {"poetry": 2}}, "no form, style or direction is named `poetry`"),
        ({"writer": "extractive", "forms": {"prose": 0, "code": 0, "structured": 0}}, "exclude every form"),
        ({"writer": "extractive", "forms": {"prose": -1}}, "forms.prose` must be at least 0.0, got -1"),
    ],
)
def test_invalid_sections_give_one_sentence(changes, expected):
    with pytest.raises(ConfigError) as caught:
        parsed(**changes)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_limits_of_an_endpoint_and_of_a_model_of_ones_own():
    assert parsed(max_calls=9, max_cost=0.5, **PRICED).max_cost == 0.5
    assert parsed(writer="vllm", vllm={"model": "m"}, max_calls=9).max_calls == 9
    assert parsed().min_yield == 0.05


def test_the_default_of_whole_prompts_is_not_written():
    assert "whole_prompts" not in parsed().model_dump()["checks"]
    assert parsed(checks={"whole_prompts": False}).model_dump()["checks"]["whole_prompts"] is False


def test_weights_of_forms_are_written_where_there_are_some():
    assert "forms" not in parsed().model_dump()
    section = QuestionsConfig.parse({"forms": {"backward": 2, "code": 0}}, "build.yml")
    assert section.model_dump()["forms"] == {"backward": 2, "code": 0}
    assert {form.style for form in section.weighed_forms} == {"prose", "structured"}
