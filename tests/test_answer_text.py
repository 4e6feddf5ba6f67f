import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.answer_text import answer_text, open_tag

DRAFT, GOOD = json.dumps({"question": "DRAFT"}), json.dumps({"question": "Which tag closes?", "answer": "</think>"})


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("a", "a"),
        ("", ""),
        ("<think>a</think> b", " b"),
        ("a</think>b", "b"),
        ("<THINKING>a</thinking>b", "b"),
        ("[THINK]a[/THINK]b", "b"),
        ("<think>a</think> b <think>c</think> d", " d"),
        (f"{DRAFT} is a first idea.\n</think>\n\n{GOOD}", f"\n\n{GOOD}"),
        (f"[1] says so.\n</think>\n\n{GOOD}", f"\n\n{GOOD}"),
        (f"```json\n{DRAFT}\n```\nis a first idea.</think>{GOOD}", GOOD),
        (GOOD, GOOD),
        (f"```json\n{GOOD}\n```", f"```json\n{GOOD}\n```"),
        (f"<think>{GOOD}</think>{GOOD}", GOOD),
        (f"{GOOD}\nHope this helps.", f"{GOOD}\nHope this helps."),
        ("the tags </THOUGHT_2> and < think> are none", "the tags </THOUGHT_2> and < think> are none"),
    ],
)
def test_the_answer_follows_the_last_thought(text, answer):
    assert answer_text(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "<think>a",
        f"Sure. <think>\nMaybe {DRAFT}, but no",
        f"{DRAFT} is a first idea. <think>But",
        "<think>a</think> b <think>c",
        "[THINK]a",
    ],
)
def test_a_thought_that_never_ends_has_no_answer(text):
    assert answer_text(text) is None


@pytest.mark.parametrize(
    ("prompt", "tag"),
    [
        ("a<assistant><think>\n", "<think>\n"),
        ("a[THINK]", "[THINK]"),
        ("a<think></think>", ""),
        ("<think> a", ""),
        ("", ""),
    ],
)
def test_the_end_of_a_prompt_opens_a_thought(prompt, tag):
    assert open_tag(prompt) == tag


@given(st.text(), st.text())
def test_nothing_before_the_last_closing_tag_is_an_answer(thoughts, answer):
    found = answer_text(f"<think>{thoughts}</think>{answer}")
    assert found is None or answer.endswith(found)


def test_digits_and_brackets_without_end_are_no_error():
    assert answer_text("[" * 100_000) == "[" * 100_000
    assert answer_text('{"a": ' + "9" * 5_000 + "}") is not None
