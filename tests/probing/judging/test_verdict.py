"""The prompt shows what the judge needs; only a clear yes or no is a verdict."""

import pytest

from in2_plugin.llm.request import THOUGHTS, Completion
from in2_plugin.probing.judging.logged_answers import LoggedAnswer
from in2_plugin.probing.judging.verdict import NoVerdict, judge_prompt, verdict_of


def answer(*gold: str, text: str = "It is {gold}.") -> LoggedAnswer:
    return LoggedAnswer("shelves", 0, 512, 1, "Who founded it in {year}?", gold, text, False)


def said(text: str, finish: str = "stop", read: int = 100, is_estimated: bool = False) -> Completion:
    return Completion(text, finish, read, 5, is_estimated)


def test_the_prompt_has_question_reference_and_answer_and_keeps_their_braces():
    prompt = judge_prompt(answer("fishermen"), needs_all=True)
    assert "Question: Who founded it in {year}?\nReference:\nfishermen\nAnswer to judge:\nIt is {gold}." in prompt
    assert "several lines" not in prompt and "{rule}" not in prompt


def test_several_gold_texts_are_all_needed_or_one_is_enough():
    several = answer("a", "b")
    assert "must give all of them" in judge_prompt(several, needs_all=True)
    assert "each of them is a correct answer" in judge_prompt(several, needs_all=False)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("YES", True), ("no", False), ("**Yes**.", True), ("No, it names another year.", False),
        ("The answer gives the same fact: YES", True), ("<think>no... wait</think>\nYES", True), ("Yes, yes.", True),
    ],
)  # fmt: skip
def test_a_verdict_is_the_first_or_last_word(text, verdict):
    assert verdict_of(said(text), "prompt") is verdict


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        (said(""), "neither yes nor no"),
        (said("The text says no such thing."), "neither yes nor no"),
        (said("Yes at first sight, but no"), "both yes and no"),
        (said("<think>yes, I think"), "thought never ends"),
        (said("YES", "length"), "cut off"),
        (said("", "refusal"), "declined"),
        (said("", THOUGHTS), "field for thoughts"),
        (said("YES", read=3), "did not read the whole prompt"),
    ],
)
def test_anything_else_has_a_reason(completion, reason):
    with pytest.raises(NoVerdict, match=reason):
        verdict_of(completion, "a prompt of some more words than three tokens and four")


def test_estimated_token_counts_prove_nothing():
    prompt = "a prompt of many words " * 5
    assert verdict_of(said("YES", read=3, is_estimated=True), prompt)
    assert verdict_of(said("YES", read=3), prompt, whole_prompts=False)
