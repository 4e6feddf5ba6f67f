import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.questions import Kind
from in2_plugin.questions.parsing import Pair, Unreadable, parse

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
    ],
)
def test_pieces(text):
    assert parse(text, INTEGRATION, 3) == (Pair("Who?", "Me.", (1, 3)),)


def test_pieces_that_were_not_named_are_unknown():
    assert parse('{"question": "Who?", "answer": "Me."}', INTEGRATION, 3)[0].pieces is None


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
    ],
)
def test_what_cannot_be_read_says_why(text, reason):
    with pytest.raises(Unreadable, match=reason):
        parse(text, INTEGRATION, 3)


@given(st.text() | st.text(alphabet='{}[]":,# \nquestionanswerpieces123\\').map(str), st.sampled_from(Kind))
def test_no_text_raises_anything_else(text, kind):
    try:
        pairs = parse(text, kind, 3)
    except Unreadable as unreadable:
        assert str(unreadable)
    else:
        assert all(pair.question and pair.answer for pair in pairs)


def test_deep_nesting_is_unreadable():
    with pytest.raises(Unreadable):
        parse("[" * 5_000, FINE, 1)


WORDS = st.text(alphabet="abcäöü漢字 ,.?!'\"\\{}", min_size=1).map(str.strip).filter(bool)
PAIRS = st.lists(st.builds(Pair, WORDS, WORDS, st.just((1, 2))), min_size=1, max_size=4)


@given(PAIRS)
def test_both_forms_are_read_back(pairs):
    entries = [{"question": p.question, "answer": p.answer, "pieces": list(p.pieces)} for p in pairs]
    assert parse(json.dumps({"questions": entries}), INTEGRATION, 2) == tuple(pairs)
    marked = "\n".join(
        f"### Question ###:\n{p.question}\n### Answer ###:\n{p.answer}\n### Pieces ###:\n1, 2" for p in pairs
    )
    assert parse(marked, INTEGRATION, 2) == tuple(pairs)
