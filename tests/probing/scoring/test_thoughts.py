"""The part of a text that is scored."""

import pytest

from in2_plugin.probing.scoring.thoughts import text_to_score


@pytest.mark.parametrize(
    ("text", "thoughts", "expected"),
    [
        ("the answer", "closed", ("the answer", False)),
        ("<think>a, b or c?</think>the answer", "closed", ("the answer", False)),
        ("<think>a, b or c?", "closed", ("", True)),
        ("a, b or c?</think>the answer", "closed", ("the answer", False)),
        ("a, b or c?</think>the answer", "opened", ("the answer", False)),
        ("a, b or c?", "opened", ("", True)),
        ("the answer", "separate", ("the answer", False)),
        ("\n", "separate", ("", True)),
        ("\n\nthe answer\n", "separate", ("the answer\n", False)),
        ("<think>a, b or c?</think>\n\nthe answer\n", "closed", ("the answer\n", False)),
        ("\nthe answer", "closed", ("\nthe answer", False)),
        ("", "closed", ("", False)),
        ("<think>a, b or c?", "scored", ("<think>a, b or c?", True)),
        ("<think>a</think>b", "scored", ("<think>a</think>b", False)),
    ],
)
def test_what_follows_the_thoughts_is_scored(text, thoughts, expected):
    assert text_to_score(text, thoughts) == expected
