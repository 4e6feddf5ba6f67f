from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.reporting.plots.label_layout import LABEL_LENGTH, LABEL_WIDTH, spread, wrap_label


def test_labels_with_enough_space_do_not_move():
    assert spread([80, 20, 50], [10, 10, 10], 0, 100) == [80, 20, 50]


def test_overlapping_labels_move_apart_evenly():
    assert spread([50, 50], [10, 10], 0, 100) == [45, 55]


def test_labels_at_the_edge_move_inside():
    assert spread([100, 99], [10, 10], 0, 100) == [95, 85]
    assert spread([0], [10], 0, 100) == [5]


sizes = st.lists(st.tuples(st.floats(0, 100), st.floats(1, 12)), min_size=1, max_size=8)


@given(sizes)
def test_no_label_covers_another_or_leaves_the_plot(labels):
    wanted, heights = [list(part) for part in zip(*labels, strict=True)]
    centres = spread(wanted, heights, 0, 100)
    placed = sorted(zip(centres, heights, strict=True))
    for (below, low), (above, high) in pairwise(placed):
        assert above - below >= (low + high) / 2 - 1e-6
    assert placed[0][0] - placed[0][1] / 2 >= -1e-6
    assert placed[-1][0] + placed[-1][1] / 2 <= 100 + 1e-6


@given(sizes)
def test_labels_keep_their_order(labels):
    wanted, heights = [list(part) for part in zip(*labels, strict=True)]
    centres = spread(wanted, heights, 0, 100)
    for i, first in enumerate(wanted):
        for j, second in enumerate(wanted):
            assert first >= second or centres[i] < centres[j]


@pytest.mark.parametrize(
    ("label", "wrapped"),
    [
        ("FILM-7B", "FILM-7B"),
        ("FILM, paper", "FILM, paper"),
        ("Mistral-7B-Instruct-v0.2", "Mistral-7B-\nInstruct-v0.2"),
        ("a" * 20, "a" * LABEL_WIDTH + "\n" + "a" * 6),
    ],
)
def test_labels_break_at_hyphens_and_spaces(label, wrapped):
    assert wrap_label(label) == wrapped


def test_a_long_label_keeps_both_ends():
    wrapped = wrap_label("Qwen2.5-14B-Instruct-1M-in2-film-lora-r64-checkpoint-1400").replace("\n", "")
    assert wrapped.startswith("Qwen2.5-14B-")
    assert wrapped.endswith("checkpoint-1400")
    assert "…" in wrapped


@given(st.text())
def test_no_line_is_wider_than_its_column(label):
    wrapped = wrap_label(label)
    assert all(len(line) <= LABEL_WIDTH for line in wrapped.split("\n"))
    if len(label) <= LABEL_LENGTH:
        assert "".join(wrapped.split()) == "".join(label.split())
