import re

import pytest

from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.tables import read_rows
from in2_plugin.inspection.page.examples import MAX_CHARACTERS, SHOWN, shortened, shown_examples


@pytest.fixture(scope="module")
def store(built):
    return SegmentStore(built / "segments")


@pytest.fixture(scope="module")
def rows(built):
    return list(read_rows(built / "examples.parquet"))


def conversation(n: int) -> dict:
    turn = {"question": f"hello {n}", "answer": "hi", "gold": [], "segment_ids": []}
    return {"part": "general", "segment_ids": [], "turns": [turn], "n_tokens": 9}


def test_every_part_is_shown(rows, store):
    shown = shown_examples([*rows, *map(conversation, range(9))], store)
    assert len(shown) == SHOWN
    assert [example.part for example in shown] == [
        part for part in ("fine_grained", "integration", "short_context", "general") for _ in range(3)
    ]
    assert shown[-1].turns == (("hello 6", "hi"),)
    assert shown[-1].pieces == ()


def test_a_part_with_few_examples_shows_all_of_them(rows, store):
    shown = shown_examples([row for row in rows if row["part"] == "integration"][:2], store)
    assert len(shown) == 2


def test_no_rows_give_no_examples(store):
    assert shown_examples([], store) == []


def test_golds_are_shown_in_full_with_their_depths(rows, store):
    for row, example in zip(rows, (shown_examples([row], store)[0] for row in rows), strict=True):
        golds = [span["segment_id"] for turn in row["turns"] for span in turn["gold"]]
        marked = [piece for piece in example.pieces if piece.is_gold]
        assert [piece.text for piece in marked] == [shortened(store.text(i)) for i in golds]
        assert tuple(piece.depth for piece in marked) == example.depths
        assert all(0 < depth < 1 for depth in example.depths)
        assert list(example.depths) == sorted(example.depths)


def test_depths_are_places_among_the_segments(rows, store):
    row = next(row for row in rows if row["part"] == "fine_grained")
    (example,) = shown_examples([row], store)
    (span,) = row["turns"][0]["gold"]
    place = row["segment_ids"].index(span["segment_id"])
    assert example.depths[0] == pytest.approx((place + 0.5) / len(row["segment_ids"]))


def test_distant_segments_are_counted(rows, store):
    row = max(rows, key=lambda row: len(row["segment_ids"]))
    (example,) = shown_examples([row], store)
    counted = [re.fullmatch(r"… (\d+) segments? …", piece.text) for piece in example.pieces]
    far = [int(found[1]) for found in counted if found]
    near = [piece for piece, found in zip(example.pieces, counted, strict=True) if not found]
    assert sum(far) + len(near) == example.n_segments
    assert all(len(piece.text) < 400 for piece in near if not piece.is_gold)


def test_long_texts_are_cut_with_a_note():
    assert shortened("a" * MAX_CHARACTERS) == "a" * MAX_CHARACTERS
    assert shortened("a" * (MAX_CHARACTERS + 1_500)) == "a" * MAX_CHARACTERS + " … (1,500 characters more)"
