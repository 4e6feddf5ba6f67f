import pytest

from in2_plugin.config import Prices
from in2_plugin.llm.request import Completion, Request, Usage
from in2_plugin.llm.usage import estimated_tokens, has_read_all, least_tokens, price, with_known_usage

REQUEST = Request("a prompt of 24 characters", "m", {}, "x")


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("four", 1), ("\u6f22\u5b57", 2), ("\ud800", 1)])
def test_estimates_are_a_quarter_of_the_bytes(text, tokens):
    assert estimated_tokens(text) == tokens


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (Completion("text", "stop", 9, 2), Completion("text", "stop", 9, 2)),
        (Completion("text", "stop", 0, 2), Completion("text", "stop", 7, 2, is_estimated=True)),
        (Completion("text", "stop", 9, 0), Completion("text", "stop", 9, 1, is_estimated=True)),
        (Completion("", "thoughts", 9, 0), Completion("", "thoughts", 9, 0)),
    ],
)
def test_unknown_counts_are_estimated_and_marked(given, known):
    assert with_known_usage(REQUEST, given) == known


@pytest.mark.parametrize(
    ("prompt", "least"),
    [("", 0), ("two words", 2), ("\n\n a  b\tc ", 3), ("\u6f22" * 100, 25), ("caf\u00e9 \u6f22\u5b57", 2)],
)
def test_every_word_is_a_token(prompt, least):
    assert least_tokens(prompt) == least


def test_a_prompt_may_be_read_with_four_tokens_less_than_counted():
    assert has_read_all(96, 100)
    assert not has_read_all(95, 100)


def test_prices_are_per_million_tokens():
    assert price(Usage(3, 2_000_000, 500_000), Prices(input=0.15, output=0.6)) == pytest.approx(0.6)
