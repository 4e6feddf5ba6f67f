import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.questions import Kind
from in2_plugin.questions.model.parsing import Pair, Unreadable, parse

FINE, INTEGRATION = Kind.FINE_GRAINED, Kind.INTEGRATION
ONE = Pair("Who?", "Me.")
TWO = (ONE, Pair("Where?", "Here."))


@pytest.mark.parametrize(
    "text",
    [
        '{"questions": [{"question": "Who?", "answer": "Me."}]}',
        '[{"question": "Who?", "answer": "Me."}]',
        '{"question": " Who? ", "answer": "Me.\\n"}',
        'Sure, here it is:\n```json\n{"questions": [{"question": "Who?", "answer": "Me."}]}\n```\nAnything else?',
        '<think>{"question": "Wrong?", "answer": "Yes"}</think>{"question": "Who?", "answer": "Me."}',
        'An empty {} and a set [1, 2] first. {"question": "Who?", "answer": ["Me."]}',
        "### Question ###:\nWho?\n### Answer ###:\nMe.",
        "### Question ###: Who?\n\n### Answer ###: Me.\n",
        "Who?\n### Answer ###:\nMe.",
        "## question:\nWho?\n## ANSWER:\nMe.",
        "**### Question ###:** Who?\n**### Answer ###:** Me.",
        "### Question 1 ###\uff1a Who?\n### Answer 1 ###\uff1a Me.",
        "<think>### Question ###: no</think>\n### Question ###:\nWho?\n### Answer ###:\nMe.",
        # the opening tag stood in the chat template
        '{"question": "Wrong?", "answer": "Yes"} is a first idea.\n</think>\n{"question": "Who?", "answer": "Me."}',
        'I try {"question": "Wrong?", "answer": "Yes"}. No.</think>{"question": "Who?", "answer": "Me."}',
        '[THINK]{"question": "Wrong?", "answer": "Yes"}[/THINK]{"question": "Who?", "answer": "Me."}',
        "**Question:** Who?\n**Answer:** Me.",
        "Question 1: Who?\nAnswer 1: Me.",
        "# Question\r\nWho?\r\n# Answer\r\nMe.",
        "```\n### Question ###:\nWho?\n### Answer ###:\nMe.\n```",
        "### Question ###:\nWho?\n### Answer ###:\nMe.\n### Question ###:\n",
    ],
)
def test_one_pair_in_many_forms(text):
    assert parse(text, FINE, 1) == (ONE,)


@pytest.mark.parametrize(
    "text",
    [
        '{"questions": [{"question": "Who?", "answer": "Me."}, {"question": "Where?", "answer": "Here."}]}',
        "### Question ###:\nWho?\n### Answer ###:\nMe.\n### Question ###:\nWhere?\n### Answer ###:\nHere.",
    ],
)
def test_several_pairs(text):
    assert parse(text, FINE, 1) == TWO


@pytest.mark.parametrize(
    "text",
    [
        '{"questions": [{"question": "Who?", "answer": "Me.", "pieces": [1, 3]}]}',
        '{"questions": [{"question": "Who?", "answer": "Me.", "pieces": "1 and 3"}]}',
        "### Question ###:\nWho?\n### Answer ###:\nMe.\n### Pieces ###:\n1, 3",
        "### Question ###:\nWho?\n### Answer ###:\nMe.\n### Pieces ###: [1] and [3]",
        "### Question ###:\nWho?\n### Answer ###:\nMe.\n### Pieces ###:\n- 3\n- 1\n\nWritten in 2024.",
        '{"question": "Who?", "answer": "Me.", "pieces": [3.0, 1.0, 3]}',
        '{"question": "Who?", "answer": "Me.", "pieces": [{"piece": 1}, {"piece": 3}]}',
    ],
)
def test_pieces(text):
    assert parse(text, INTEGRATION, 3) == (Pair("Who?", "Me.", (1, 3)),)


@pytest.mark.parametrize("given", ["", ', "pieces": []', ', "pieces": null', ', "pieces": "all"'])
def test_pieces_that_were_not_named_are_unknown(given):
    assert parse(f'{{"question": "Who?", "answer": "Me."{given}}}', INTEGRATION, 3) == (ONE,)


@pytest.mark.parametrize("given", ["2-4", "2 \u2013 4", "2, 3-4"])
def test_a_range_of_pieces_holds_those_between(given):
    assert parse(f'{{"question": "Who?", "answer": "Me.", "pieces": "{given}"}}', INTEGRATION, 4)[0].pieces == (2, 3, 4)


@pytest.mark.parametrize(
    "text",
    [
        '[{"question": "Who?", "answer": "Me."}, {"question": "Where?"}]',
        '[{"question": "Who?", "answer": "Me."}, {"question": "Where?", "answer": " "}]',
        "### Question ###: Who?\n### Answer ###: Me.\n### Question ###: Where?",
    ],
)
def test_a_flawed_pair_takes_no_sound_one_with_it(text):
    assert parse(text, FINE, 1) == (ONE, Pair("Where?", "", flaw="a question or an answer is empty"))


def test_pieces_that_cannot_be_right_are_the_flaw_of_their_pair():
    text = '[{"question": "Who?", "answer": "Me."}, {"question": "Where?", "answer": "Here.", "pieces": [1, 9]}]'
    assert parse(text, INTEGRATION, 3)[1] == Pair("Where?", "Here.", flaw="it names a piece that was not given")


def test_a_second_answer_to_one_question_is_not_lost():
    said = parse("### Question ###: Who?\n### Answer ###: Me.\n### Answer ###: You.", FINE, 1)
    assert said == (ONE, Pair("", "You.", flaw="a question or an answer is empty"))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"question": "Who?", "answer": "one\ntwo"}', "one\ntwo"),
        ('{"question": "Who?", "answer": 40.50}', "40.50"),
        ('{"question": "Who?", "answer": "</think> closes it"}', "</think> closes it"),
        (
            "### Question ###: Who?\n### Answer ###: **Me**\n## Answering machines\n# 5",
            "**Me**\n## Answering machines\n# 5",
        ),
        ("### Question ###: Who?\n### Answer ###: Two.\nAnswer: one.", "Two.\nAnswer: one."),
        ("### Question ###: Who?\n### Answer ###:\n```\nx = 1\n```", "```\nx = 1\n```"),
    ],
)
def test_answers_are_kept_as_they_were_written(text, answer):
    assert parse(text, FINE, 1)[0].answer == answer


def test_pieces_say_nothing_about_a_single_segment():
    assert parse('{"question": "Who?", "answer": "Me.", "pieces": [1]}', FINE, 1) == (ONE,)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no question"),
        ("I would rather talk about the weather.", "no question"),
        ('{"question": "Who?"}', "no question"),
        ("### Question ###:\nWho?", "no question"),
        ('{"question": "", "answer": "Me."}', "empty"),
        ('{"question": "Who?", "answer": null}', "empty"),
        ("### Question ###:\nWho?\n### Answer ###:\n", "empty"),
        ('{"question": "Who?", "answer": "Me.", "pieces": [1, 4]}', "was not given"),
        ('{"question": "Who?", "answer": "Me.", "pieces": [0, 1]}', "was not given"),
        ('{"question": "Who?", "answer": "Me.", "pieces": [-1, 1]}', "was not given"),
        ('{"question": "Who?", "answer": "Me.", "pieces": [2, 2]}', "fewer than two"),
        ('{"questions": [{"question": "Who?", "answer": "Me', "no question"),
        ('<think>{"question": "Who?", "answer": "Me."}', "thoughts never end"),
        ('Sure. <think>Maybe {"question": "Who?", "answer": "Me."}', "thoughts never end"),
        ("I cannot decide.\nAnswer: no", "no question"),
        ('{"question": "Who?", "answer": "Me \\ud83d"}', "broken characters"),
        ('{"question": "Who?", "answer": "Me.", "pieces": [1, 100000000000000000000]}', "was not given"),
        ('{"question": "Who?", "answer": "Me.", "pieces": "1-999999999"}', "was not given"),
    ],
)
def test_what_cannot_be_read_says_why(text, reason):
    with pytest.raises(Unreadable, match=reason):
        parse(text, INTEGRATION, 3)


SCRAPS = [
    '"question"',
    '"answer":',
    '"pieces"',
    "### Question ###:",
    "Answer:",
    "### Pieces ###:",
    "<think>",
    "</think>",
]
SIGNS = [*'{}[]":,#-`*\n\\', " ", "1", "2-3", "9" * 30, "\\ud800", "a", '{"question": "q", "answer": "a"}']


@given(st.text() | st.lists(st.sampled_from(SCRAPS + SIGNS)).map("".join), st.sampled_from(Kind))
def test_no_text_raises_anything_else(text, kind):
    try:
        pairs = parse(text, kind, 3)
    except Unreadable as unreadable:
        assert str(unreadable)
    else:
        assert any(pair.flaw is None for pair in pairs)
        for pair in pairs:
            assert pair.flaw or (pair.question and pair.answer)
            # whatever it is, it can be stored
            (pair.question + pair.answer).encode()


def test_deep_nesting_is_unreadable():
    with pytest.raises(Unreadable):
        parse("[" * 5_000, FINE, 1)


WORDS = st.text(alphabet="abcäöü漢字 ,.?!'\"\\{}", min_size=1).map(str.strip).filter(bool)
PIECES = st.sets(st.integers(1, 9), min_size=2).map(lambda numbers: tuple(sorted(numbers)))
PAIRS = st.lists(st.builds(Pair, WORDS, WORDS, PIECES), min_size=1, max_size=4)


@given(PAIRS)
def test_both_forms_are_read_back(pairs):
    entries = [{"question": p.question, "answer": p.answer, "pieces": list(p.pieces)} for p in pairs]
    assert parse(json.dumps({"questions": entries}), INTEGRATION, 9) == tuple(pairs)
    marked = "\n".join(
        f"### Question ###:\n{p.question}\n### Answer ###:\n{p.answer}\n### Pieces ###: {str(p.pieces).strip('()')}"
        for p in pairs
    )
    assert parse(marked, INTEGRATION, 9) == tuple(pairs)
