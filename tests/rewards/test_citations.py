"""Citations earn their F1 score, and the form is what the prompt asks for."""

from types import SimpleNamespace

import pytest

from in2_plugin import rewards
from in2_plugin.errors import ConfigError
from in2_plugin.prompt_text import CITING
from in2_plugin.rewards.citations import format, grounding

ASKS = [{"role": "user", "content": f"Which?{CITING}"}]
PLAIN = [{"role": "user", "content": "Which?"}]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


@pytest.mark.parametrize(
    ("gold", "text", "expected"),
    [
        ([3], "a\nSources: [3]", 1),
        ([3, 7], "a\nSources: [7] [3] [3]", 1),
        ([3, 7], "a\nSources: [3]", 2 / 3),
        ([3], "a\nSources: [3] [4]", 2 / 3),
        ([3], "a\nSources: [4]", 0),
        ([3], "a", 0),
        ([], "a\nSources: [4]", 0),
        ([3], "a\nSources: " + " ".join(f"[{n}]" for n in range(1, 100)), 0.02),
    ],
)
def test_f1_of_the_cited_segments(gold, text, expected):
    assert grounding(prompts=[ASKS], completions=[said(text)], gold_ids=[gold], depth=[0.5]) == [
        pytest.approx(expected)
    ]


def test_rows_of_other_datasets_have_no_reward():
    assert grounding(prompts=[PLAIN], completions=[said("a")], gold_ids=[None]) == [None]


def test_prompts_without_numbers_are_refused():
    with pytest.raises(ConfigError, match="needs prompts with numbered segments; export with `--number-segments`"):
        grounding(prompts=[PLAIN], completions=[said("a")], gold_ids=[[1]])


def test_form():
    texts = ["a\nSources: [3]", "a", "Sources: [3]", "", "<think>a\nSources: [3]"]
    completions = [said(text) for text in texts]
    assert format(prompts=[ASKS] * 5, completions=completions, answer=["a"] * 5) == [1, 0, 0, 0, 0]
    assert format(prompts=[PLAIN] * 5, completions=completions) == [1, 1, 1, 0, 0]


def test_trl_calls_every_reward_with_its_columns():
    """The call of the installed TRL, without a model."""
    from trl import GRPOTrainer

    functions = [rewards.answer, rewards.exact_answer, rewards.grounding, rewards.format]
    trainer = GRPOTrainer.__new__(GRPOTrainer)
    vars(trainer).update(
        accelerator=SimpleNamespace(device="cpu", is_main_process=True), args=SimpleNamespace(report_to=[]),
        state=SimpleNamespace(global_step=0), environments=None,
        reward_funcs=functions, reward_processing_classes=[None] * 4, reward_func_names=["a", "b", "c", "d"],
    )  # fmt: skip
    row = {"answer": "b", "gold_ids": [2], "depth": None, "kind": "fine_grained", "prompt_tokens": 9}
    completions = [said("b\nSources: [2]"), said("b or c")]
    inputs, prompts = [{"prompt": ASKS, **row}] * 2, [ASKS] * 2
    found = GRPOTrainer._calculate_rewards(trainer, inputs, prompts, completions, [[1], [2]])
    assert found.tolist() == [[1, 1, 1, 1], [pytest.approx(1 / 3), 0, 0, 0]]
