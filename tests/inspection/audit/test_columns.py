import numpy as np
import pyarrow.parquet as pq
import pytest

from in2_plugin.dataset.tables import EXAMPLES, read_rows, write_rows
from in2_plugin.errors import DatasetError
from in2_plugin.inspection.audit.columns import NO_DOCUMENT, read_columns
from tests.support import damages

PARTS = ["fine_grained", "integration", "short_context", "general"]


def turn(**changes: object) -> dict:
    empty = {"kind": "fine_grained", "form": "", "question": "Q?", "answer": "A.", "document": 3, "segment_ids": [7, 8]}
    return empty | {"gold": [{"segment_id": 7, "start": 1, "stop": 5}], "n_answer_tokens": 2} | changes


def row(part: str, ids: list[int], *turns: dict) -> dict:
    return {"part": part, "segment_ids": ids, "turns": list(turns), "n_tokens": 90, "n_answer_tokens": 2 * len(turns)}


CHAT = turn(kind="instruction", document=None, segment_ids=[], gold=[])
ROWS = [
    row("fine_grained", [9, 7, 8], turn()),
    row("general", [], CHAT, CHAT),
    row("integration", [1, 2, 7, 8], turn(question="Q1"), turn(question="Q2", segment_ids=[1, 2], gold=[])),
]


@pytest.fixture
def path(tmp_path):
    write_rows(tmp_path / "examples.parquet", ROWS, EXAMPLES)
    return tmp_path / "examples.parquet"


def test_every_entry_has_its_row_or_turn(path):
    (columns,) = read_columns(path)
    assert [PARTS[index] for index in columns.part] == ["fine_grained", "general", "integration"]
    assert columns.segment.tolist() == [9, 7, 8, 1, 2, 7, 8]
    assert columns.segment_row.tolist() == [0, 0, 0, 2, 2, 2, 2]
    assert columns.turn_row.tolist() == [0, 1, 1, 2, 2]
    assert columns.question == ["Q?", "Q?", "Q?", "Q1", "Q2"]
    assert columns.document.tolist() == [3, NO_DOCUMENT, NO_DOCUMENT, 3, 3]
    assert columns.own.tolist() == [7, 8, 7, 8, 1, 2]
    assert columns.own_turn.tolist() == [0, 0, 3, 3, 4, 4]
    assert (columns.gold.tolist(), columns.gold_turn.tolist()) == ([7, 7], [0, 3])
    assert columns.turn_answer_tokens.tolist() == [2] * 5


def test_row_numbers_continue_across_row_groups(tmp_path):
    write_rows(tmp_path / "examples.parquet", (row("fine_grained", [n], turn()) for n in range(2_500)), EXAMPLES)
    groups = list(read_columns(tmp_path / "examples.parquet"))
    assert [(group.first, len(group)) for group in groups] == [(0, 1_000), (1_000, 1_000), (2_000, 500)]
    assert np.concatenate([group.segment for group in groups]).tolist() == list(range(2_500))
    assert groups[2].row(2_007)["segment_ids"] == [2_007]


def test_the_columns_match_a_real_dataset(built):
    rows = list(read_rows(built / "examples.parquet"))
    (columns,) = read_columns(built / "examples.parquet")
    assert columns.segment.tolist() == [i for one in rows for i in one["segment_ids"]]
    assert columns.answer == [turn["answer"] for one in rows for turn in one["turns"]]
    assert columns.row(5) == rows[5]


def test_an_unknown_part_has_index_minus_one(tmp_path):
    write_rows(tmp_path / "examples.parquet", [row("else", [1], turn())], EXAMPLES)
    (columns,) = read_columns(tmp_path / "examples.parquet")
    assert columns.part.tolist() == [-1]


@pytest.mark.parametrize(
    "damage",
    [
        row("fine_grained", [1], turn(question=None)),
        row("fine_grained", [1], turn(gold=None)),
        row("fine_grained", [1], turn(gold=[{"segment_id": None, "start": 1, "stop": 2}])),
        row("fine_grained", [None], turn()),
        row("fine_grained", None, turn()),
        {**ROWS[0], "turns": None},
        {**ROWS[0], "n_tokens": None},
        {**ROWS[0], "part": None},
    ],
)
def test_nulls_are_an_error(tmp_path, damage):
    write_rows(tmp_path / "examples.parquet", [ROWS[0], damage], EXAMPLES)
    with pytest.raises(DatasetError, match=r"examples\.parquet: contains nulls after row 0; delete examples"):
        list(read_columns(tmp_path / "examples.parquet"))


def test_other_columns_are_an_error(path):
    damages.without_column("examples", "part")(path.parent)
    with pytest.raises(DatasetError, match="columns are missing or unknown"):
        list(read_columns(path))


def test_an_empty_file_has_no_rows(tmp_path):
    pq.write_table(EXAMPLES.empty_table(), tmp_path / "examples.parquet")
    assert sum(map(len, read_columns(tmp_path / "examples.parquet"))) == 0
