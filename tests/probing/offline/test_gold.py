"""Gold rows: our own, the authors' data, and hand-made ones."""

import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.offline.gold import gold_fields, read_gold
from in2_plugin.probing.probes.matrix import MATRIX, find_probe
from in2_plugin.probing.probes.registry import PROBES
from tests.support import paper_data

ROWS = [{"set_id": index, "position_id": place, "completion": f"f{place}"} for index in range(2) for place in range(4)]


def read(tmp_path, rows, name="code"):
    return read_gold(find_probe(name), paper_data.save_lines(tmp_path / "gold.jsonl", rows))


def test_required_fields_are_enough(tmp_path):
    found = read(tmp_path, ROWS)
    assert [(row.set, row.position, row.n_positions) for row in found] == [
        (i, p, 4) for i in range(2) for p in range(4)
    ]
    assert found[2].gold == ("f2",) and found[2].id is None and not found[2].ambiguous


@pytest.mark.parametrize("name", PROBES)
def test_the_authors_file_is_a_gold_file(name, tmp_path):
    rows = paper_data.rows(name, 2, 6)
    found = read(tmp_path, rows, name)
    assert [row.gold for row in found] == [paper_data.item(name, i, p).gold for i in range(2) for p in range(6)]


@pytest.mark.parametrize("name", [*PROBES, *MATRIX])
def test_what_is_written_is_read(name, tmp_path):
    gold = ("one", "two")[: 2 if name == "database" or name in MATRIX else 1]
    row = {
        "id": "q",
        "set_id": 0,
        "position_id": 3,
        "n_positions": 9,
        "ambiguous": True,
        **gold_fields(find_probe(name), gold),
    }
    (found,) = read(tmp_path, [row], name)
    assert (found.id, found.set, found.position, found.n_positions, found.ambiguous) == ("q", 0, 3, 9, True)
    assert found.gold == gold


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"completion": None}, "row 3: `completion` must be text, not NoneType"),
        ({"completion": " "}, "row 3: `completion` is missing or blank"),
        ({"set_id": None}, "row 3: `set_id` must be a number of 0 or more, not None"),
        ({"position_id": 1}, "row 3: position 1 of set 0 occurs twice; keep one of the rows"),
        ({"n_positions": 2}, "row 3: `position_id` is 2, but `n_positions` is 2"),
        ({"ambiguous": "no"}, "row 3: `ambiguous` must be true or false, not 'no'"),
        ({"id": "x"}, "row 3: some rows have an `id` and some have none"),
    ],
)
def test_a_wrong_row_is_reported(tmp_path, change, message):
    rows = [dict(row) for row in ROWS]
    rows[2] |= change
    with pytest.raises(ProbeError) as failure:
        read(tmp_path, rows)
    assert f"gold.jsonl, {message}" in str(failure.value)


def test_ids_are_unique(tmp_path):
    with pytest.raises(ProbeError, match="row 2: id a occurs twice"):
        read(tmp_path, [{**row, "id": "a"} for row in ROWS])


def test_invalid_files_are_reported(tmp_path):
    with pytest.raises(ProbeError, match=r"gold\.jsonl: is empty"):
        read(tmp_path, [])
    with pytest.raises(ProbeError, match="row 1: is not a JSON object"):
        read(tmp_path, [["a"]])
    with pytest.raises(ProbeError, match="row 1: `gold` must be a list of texts for the"):
        read(tmp_path, [{**ROWS[0], "gold": "a"}], sorted(MATRIX)[0])
    with pytest.raises(ProbeError, match=r"nowhere\.jsonl: cannot be read \(No such file or directory\)"):
        read_gold(PROBES["code"], tmp_path / "nowhere.jsonl")
