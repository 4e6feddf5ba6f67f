"""Gold rows as we write them, as the authors' data has them, and as others write them."""

import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.offline.gold import gold_fields, read_gold
from in2_plugin.probing.probes.kinds import KINDS
from in2_plugin.probing.probes.matrix import MATRIX
from tests.support import paper_data

ROWS = [{"set_id": index, "position_id": place, "completion": f"f{place}"} for index in range(2) for place in range(4)]


def read(tmp_path, rows, kind="code"):
    return read_gold(kind, paper_data.save_lines(tmp_path / "gold.jsonl", rows))


def test_the_least_that_a_row_needs(tmp_path):
    found = read(tmp_path, ROWS)
    assert [(row.set, row.position, row.n_positions) for row in found] == [
        (i, p, 4) for i in range(2) for p in range(4)
    ]
    assert found[2].gold == ("f2",) and found[2].id is None and not found[2].ambiguous


@pytest.mark.parametrize("kind", KINDS)
def test_the_authors_file_is_a_gold_file(kind, tmp_path):
    rows = paper_data.rows(kind, 2, 6)
    found = read(tmp_path, rows, kind)
    assert [row.gold for row in found] == [paper_data.item(kind, i, p).gold for i in range(2) for p in range(6)]


@pytest.mark.parametrize("name", [*KINDS, *MATRIX])
def test_what_is_written_is_read(name, tmp_path):
    gold = ("one", "two")[: 2 if name == "database" or name in MATRIX else 1]
    row = {"id": "q", "set_id": 0, "position_id": 3, "n_positions": 9, "ambiguous": True, **gold_fields(name, gold)}
    (found,) = read(tmp_path, [row], name)
    assert (found.id, found.set, found.position, found.n_positions, found.ambiguous) == ("q", 0, 3, 9, True)
    assert found.gold == gold


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"completion": None}, "row 3: `completion` holds NoneType where text belongs"),
        ({"completion": " "}, "row 3: `completion` is missing or blank"),
        ({"set_id": None}, "row 3: `set_id` is None where a number from 0 belongs"),
        ({"position_id": 1}, "row 3: position 1 of set 0 came before; keep one of the rows"),
        ({"n_positions": 2}, "row 3: `position_id` is 2, but `n_positions` is 2"),
        ({"ambiguous": "no"}, "row 3: `ambiguous` is 'no' where true or false belongs"),
        ({"id": "x"}, "row 3: some rows have an `id` and some have none"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, change, said):
    rows = [dict(row) for row in ROWS]
    rows[2] |= change
    with pytest.raises(ProbeError) as failure:
        read(tmp_path, rows)
    assert f"gold.jsonl, {said}" in str(failure.value)


def test_ids_are_given_once(tmp_path):
    with pytest.raises(ProbeError, match="row 2: id a came before"):
        read(tmp_path, [{**row, "id": "a"} for row in ROWS])


def test_other_things_than_rows(tmp_path):
    with pytest.raises(ProbeError, match=r"gold\.jsonl: is empty"):
        read(tmp_path, [])
    with pytest.raises(ProbeError, match="row 1: is no JSON object"):
        read(tmp_path, [["a"]])
    with pytest.raises(ProbeError, match="row 1: `gold` must be a list of texts for the"):
        read(tmp_path, [{**ROWS[0], "gold": "a"}], sorted(MATRIX)[0])
    with pytest.raises(ProbeError, match=r"nowhere\.jsonl: cannot be read \(No such file or directory\)"):
        read_gold("code", tmp_path / "nowhere.jsonl")
