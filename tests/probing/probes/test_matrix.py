"""The nine probes of pattern by style: what is quoted, what is asked for, and what scores."""

import re

import pytest

from in2_plugin.probing.probes.build import ask, unambiguous
from in2_plugin.probing.probes.items import read_pieces
from in2_plugin.probing.probes.matrix import MATRIX, PATTERNS, STYLES

POOLS = {name: read_pieces(kind) for name, kind in MATRIX.items()}
CELLS = [(style, pattern) for style in STYLES for pattern in PATTERNS]


def cell(style: str, pattern: str):
    return MATRIX[f"matrix_{style}_{pattern}"], POOLS[f"matrix_{style}_{pattern}"]


@pytest.mark.parametrize(("style", "pattern"), CELLS)
def test_the_answer_stands_where_the_pattern_says(style, pattern):
    kind, pool = cell(style, pattern)
    for piece in pool[:300]:
        key = piece.text.index(kind.marker.replace("{}", piece.query).strip(", "))
        before = [text in piece.text[: key + 1] or piece.text.index(text) < key for text in piece.gold]
        assert before == {"forward": [False, False], "bidirectional": [True, False], "backward": [True, True]}[pattern]


@pytest.mark.parametrize("style", STYLES)
def test_patterns_of_a_style_have_the_same_items_and_differ_in_the_question_alone(style):
    pools = [cell(style, pattern)[1] for pattern in PATTERNS]
    assert len({tuple(piece.text for piece in pool) for pool in pools}) == 1
    wordings = {re.sub(r'(begins with|contains|ends with|has the \w+|the line| )+"[^"]*"', "", ask(kind, pool[0]))
                for kind, pool in (cell(style, pattern) for pattern in PATTERNS)}  # fmt: skip
    assert len(wordings) == 1


@pytest.mark.parametrize(("style", "pattern"), CELLS)
def test_scores(style, pattern):
    """The whole item is a full score, half of the rest half of it; the question itself and another item are nothing."""
    kind, pool = cell(style, pattern)
    floors = []
    for piece, other in zip(pool[:200], pool[200:400], strict=True):
        assert kind.score(piece.gold, f"Here it is:\n\n{piece.text.upper()}") == 1
        assert kind.score(piece.gold, piece.gold[0]) == kind.score(piece.gold, piece.gold[1]) == 0.5
        floors += [kind.score(piece.gold, piece.query), kind.score(piece.gold, other.text)]
    assert sum(floors) / len(floors) < 0.01


@pytest.mark.parametrize(("style", "pattern"), CELLS)
def test_most_items_can_be_asked_for(style, pattern):
    kind, pool = cell(style, pattern)
    assert len(unambiguous(kind, pool[:800])) > 700
