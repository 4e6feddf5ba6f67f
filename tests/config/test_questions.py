import pytest

from in2_plugin.config import Concurrency, QuestionsConfig
from in2_plugin.errors import ConfigError

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
    ],
)
def test_invalid_sections_give_one_sentence(changes, expected):
    with pytest.raises(ConfigError) as caught:
        parsed(**changes)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
