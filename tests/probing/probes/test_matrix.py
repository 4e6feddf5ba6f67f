"""The nine probes of pattern by style: the quoted field, the answer and the score."""

import re

import pytest

from in2_plugin.probing.probes.build import unambiguous
from in2_plugin.probing.probes.items import read_items
from in2_plugin.probing.probes.matrix import MATRIX, PATTERNS, STYLES

POOLS = {name: read_items(probe) for name, probe in MATRIX.items()}
CELLS = [(style, pattern) for style in STYLES for pattern in PATTERNS]


def cell(style: str, pattern: str):
    return MATRIX[f"matrix_{style}_{pattern}"], POOLS[f"matrix_{style}_{pattern}"]


@pytest.mark.parametrize(("style", "pattern"), CELLS)
def test_the_answer_is_where_the_pattern_puts_it(style, pattern):
    probe, pool = cell(style, pattern)
    for item in pool[:300]:
        key = item.text.index(probe.marker.replace("{}", item.query).strip(", "))
        before = [text in item.text[: key + 1] or item.text.index(text) < key for text in item.gold]
        assert before == {"forward": [False, False], "bidirectional": [True, False], "backward": [True, True]}[pattern]


@pytest.mark.parametrize("style", STYLES)
def test_patterns_of_a_style_differ_only_in_the_question(style):
    pools = [cell(style, pattern)[1] for pattern in PATTERNS]
    assert len({tuple(item.text for item in pool) for pool in pools}) == 1
    wordings = {re.sub(r'(begins with|contains|ends with|has the \w+|the line| )+"[^"]*"', "", probe.ask(pool[0]))
                for probe, pool in (cell(style, pattern) for pattern in PATTERNS)}  # fmt: skip
    assert len(wordings) == 1


@pytest.mark.parametrize(("style", "pattern"), CELLS)
def test_scores(style, pattern):
    """The whole item scores 1, one of its two fields 0.5, the question and another item 0."""
    probe, pool = cell(style, pattern)
    baselines = []
    for item, other in zip(pool[:200], pool[200:400], strict=True):
        assert probe.score(item.gold, f"Here it is:\n\n{item.text.upper()}") == 1
        assert probe.score(item.gold, item.gold[0]) == probe.score(item.gold, item.gold[1]) == 0.5
        baselines += [probe.score(item.gold, item.query), probe.score(item.gold, other.text)]
    assert sum(baselines) / len(baselines) < 0.01


@pytest.mark.parametrize(("style", "pattern"), CELLS)
def test_most_items_are_unambiguous(style, pattern):
    probe, pool = cell(style, pattern)
    assert len(unambiguous(probe, pool[:800])) > 700
