"""The opening of an answer, compared with a search of every place of the context."""

import random

import pytest

from in2_plugin.examples.opening import ASSUMED, opening_tokens

CONTEXT = "the cat sat on the mat\nthe cat ran to the dog\nthe dog sat on the cat"


def ends_of(answer, *lengths):
    """Return the ends of tokens with these lengths, then of an end-of-turn token."""
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    assert ends[-1] == len(answer)
    return [*ends, ends[-1] + 4]


@pytest.mark.parametrize(
    ("answer", "tokens", "expected"),
    [
        ("ran to the dog", (3, 3, 4, 4), 1),
        ("the cat ran to", (3, 4, 4, 3), 3),
        ("sat on the cat", (3, 3, 4, 4), 4),
        ("the cat", (3, 4), 3),  # occurs three times
        ("a parrot sat on a mat", (1, 7, 4, 3, 2, 2, 1, 1), ASSUMED),  # is no quotation
        ("a bird", (1, 5), 3),
    ],
)
def test_shortest_prefix_that_occurs_once(answer, tokens, expected):
    assert opening_tokens(CONTEXT, answer, ends_of(answer, *tokens)) == expected


def test_without_a_context_there_is_no_opening():
    assert opening_tokens("", "the cat", [3, 7, 11]) == 0


def test_white_space_before_an_answer_is_part_of_its_opening():
    assert opening_tokens(CONTEXT, "ran to", [0, 3, 6, 10]) == 2


def test_a_character_of_several_tokens_is_not_split():
    """Byte-level tokenizers give each of the tokens the offsets of the whole character."""
    assert opening_tokens("春天在北京，秋天在南京。", "南京", [1, 1, 1, 2, 2, 6]) == 3


def reference(context, answer, ends):
    places = [i for i in range(len(context)) if context.startswith(answer, i)]
    for n, end in enumerate(ends, 1):
        if len(places) == 1 and sum(context.startswith(answer[:end], i) for i in range(len(context))) == 1:
            return n
    return min(ASSUMED, len(ends))


def test_random_quotations_agree_with_a_plain_search():
    draw = random.Random(5)
    for _ in range(300):
        context = "".join(draw.choices("ab ", k=draw.randint(20, 120)))
        start = draw.randrange(len(context) - 12)
        answer = context[start : start + 12]
        ends = [*sorted(draw.sample(range(1, 12), 6)), 12, 16]
        assert opening_tokens(context, answer, ends) == reference(context, answer, ends)
