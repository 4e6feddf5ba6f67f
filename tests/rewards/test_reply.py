"""Completions in every form that trainers pass are split into answer and citations."""

import pytest

from in2_plugin.prompt_text import CITING
from in2_plugin.rewards.reply import CitedAnswer, asks_for_sources, reply_of, text_of

ASKS = [{"role": "user", "content": f"[1] a\n[2] b\nWhich?{CITING}"}]
PLAIN = [{"role": "user", "content": "a\nb\nWhich?"}]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


@pytest.mark.parametrize(
    ("text", "answer", "cited"),
    [
        ("b\nSources: [2]", "b", {2}),
        ("b\n\nsources:  [2], [1] [2];\n", "b", {1, 2}),
        ("b [7]\nSources: [12].", "b [7]", {12}),
        ("<think>Sources: [1]</think>b\nSources: [2]", "b", {2}),
        ("Sources: [2]", "", {2}),
        ("b", "b", None),
        ("b\nSources: [2] I think", "b\nSources: [2] I think", None),
        ("b\nSources: 2", "b\nSources: 2", None),
        ("b\nSources: [number] [number]", "b\nSources: [number] [number]", None),
        ("b Sources: [2]", "b Sources: [2]", None),
        (f"b\nSources: [{'9' * 5_000}]", f"b\nSources: [{'9' * 5_000}]", None),
        ("<think>b\nSources: [2]", "", None),
        ("", "", None),
    ],
)
def test_the_last_line_has_the_citations(text, answer, cited):
    expected = CitedAnswer(answer, None if cited is None else frozenset(cited))
    assert reply_of(ASKS, said(text)) == reply_of(ASKS[0]["content"] + "<assistant>", text) == expected


def test_brackets_stay_in_the_answer_if_the_prompt_does_not_ask():
    assert reply_of(PLAIN, said("x\nSources: [2]")) == CitedAnswer("x\nSources: [2]", None)
    assert not asks_for_sources(PLAIN) and asks_for_sources(ASKS)


def test_a_thought_that_the_prompt_opens_is_no_answer():
    rendered, prefilled = "Which?<assistant><think>\n", [*PLAIN, {"role": "assistant", "content": "<think>"}]
    for prompt in (rendered, prefilled):
        assert reply_of(prompt, "perhaps b").answer == ""
        assert reply_of(prompt, "perhaps b</think>c").answer == "c"
    assert reply_of([{"role": "user", "content": "What follows <think>"}], "b").answer == "b"


def test_texts_of_messages():
    assert text_of([{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}]) == "a"
    assert text_of([{"role": "assistant", "content": None}]) == text_of([]) == ""
    assert text_of([{"role": "tool", "content": "no"}, {"role": "assistant", "content": "yes"}]) == "yes"
