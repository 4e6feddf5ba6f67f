"""The right answer earns 1, parts of it their share, and shortcuts next to nothing."""

import pytest

from in2_plugin.prompt_text import CITING
from in2_plugin.rewards.correctness import answer, exact_answer

PROMPT = [{"role": "user", "content": f"Which?{CITING}"}]


def rewarded(function, gold, text):
    (reward,) = function(
        prompts=[PROMPT], completions=[[{"role": "assistant", "content": text}]], answer=[gold], kind=[""]
    )
    return reward


@pytest.mark.parametrize(
    ("gold", "text", "expected"),
    [
        ("the red fox", "the red fox", 1),
        ("the red fox", "The  red\nfox.", 1),
        ("the red fox", "<think>hm</think>\nthe red fox\nSources: [3]", 1),
        ("the red fox", "It is the red fox", 3 / 5),
        ("the red fox", "red fox", 2 / 3),
        ("the red fox", "the fox", 0),
        ("the red fox", "", 0),
        ("the red fox", "...", 0),
        ("Iran", "Tirana", 0),
        ("a - b", "a + b", 0),
        ("x[1]", "X[1]", 1),
        ("...", "...", 1),
        ("ﬁve", "five", 1),
        ("東京", "東京都", 2 / 3),
        ("the red fox", "the", 1 / 3),
        ("1.5 million", "about 1.5 million", 2 / 3),
        ("1.5 million", "5 million", 0),
        ("15,000", "15", 0),
        ("15,000", ",", 0),
        ("a, b", ",", 0),
        ("->", "->", 1),
        ("हिन्दी भाषा", "हिन्दी", 1 / 2),
        ("हिन्दी", "ह", 0),
        ("the red fox", f"{'word ' * 97}the red fox", 0.03),
    ],
)
def test_agreement_is_graded(gold, text, expected):
    assert rewarded(answer, gold, text) == pytest.approx(expected)


def test_exact_answers():
    assert rewarded(exact_answer, "the red fox\n", "the red fox\nSources: [3]") == 1
    assert rewarded(exact_answer, "the red fox", "The red fox") == 0
    assert rewarded(exact_answer, None, "x") is None and rewarded(answer, None, "x") is None
