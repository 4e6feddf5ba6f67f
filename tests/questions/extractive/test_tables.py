"""Rows of tables of all kinds, their cells and the names of their columns."""

from itertools import pairwise

import pytest

from in2_plugin.questions.extractive.tables import table_rows
from tests.support.styled_texts import CHINESE, CSV, GRID, JSON_LINES, SIMPLE


def cells(text: str) -> list[list[str]]:
    return [[row.cell(n) for n in range(len(row.cells))] for row in table_rows(text.split("\n"))]


def columns(text: str) -> set[tuple[str, ...]]:
    return {row.columns for row in table_rows(text.split("\n"))}


def test_markdown():
    assert cells(CHINESE)[1] == ["陈伟伟", "人力资源部", "2019年8月17日", "YG83837"]
    assert columns(CHINESE) == {("姓名", "部门", "入职日期", "工号")}


def test_a_bar_with_a_backslash_is_part_of_a_cell():
    assert cells("| a \\| b | c |\n| d | e |") == [["a \\| b", "c"], ["d", "e"]]


def test_a_grid_without_the_rows_of_several_lines():
    assert cells(GRID) == [["poll_period", "seconds, whole"], ["log_archive", "folder of logs"]]
    assert columns(GRID) == {("Parameter", "Meaning")}


def test_a_simple_table():
    assert cells(SIMPLE) == [["max_retries", "attempts in total"], ["poll_period", "seconds to wait"]]
    assert columns(SIMPLE) == {("Parameter", "Meaning")}


def test_delimited_values():
    assert cells(CSV)[0] == ["1228", "Esperanza Ishikawa", "Thessaloniki", "2020-03-09", "5717.15"]
    assert columns(CSV) == {("order", "customer", "city", "signed", "amount")}
    assert columns(CSV.split("\n", 1)[1]) == {()}
    assert cells(CSV.replace(",", "\t")) == cells(CSV)


@pytest.mark.parametrize("line", [
    "On Monday, the master, who was old, kept his log.",
    "first, second, and a third one that goes on and on and on and on",
])  # fmt: skip
def test_prose_with_commas_is_no_table(line):
    assert cells("\n".join([line] * 4)) == []


WRAPPED = (  # the same number of commas in each line
    """nobody had ever seen the harbour, the lighthouse, or the
long stone pier, which the fishermen, with the keeper
of the light had built, long ago, when the herring came""",
    """means either the Harbour Public Licence, Version 2.0, the
Lesser Harbour Licence, Version 2.1, the Affero Harbour
Public Licence, Version 3.0, or any later ones of those""",
    """class ships.Add, class ships.Sub, class ships.Mult, class
ships.Div, class ships.Mod, class ships.Pow, class
ships.Left, class ships.Right, class ships.Or, class""",
    """none, true, and false;
whole numbers, real numbers, complex numbers;
texts, bytes, arrays of bytes;""",
)


@pytest.mark.parametrize("text", WRAPPED)
def test_wrapped_prose_with_commas_is_no_table(text):
    assert cells(text) == []


def test_spaces_may_follow_the_delimiters_of_numbers():
    assert cells(CSV.replace(",", ", ")) == cells(CSV)
    text = "Ada Hopper, 12 May, Oslo\nJo Lind, 3 June, Rome\nMel Ray, 30 May, Bonn"
    assert cells(text)[1] == ["Jo Lind", "3 June", "Rome"]


def test_a_delimiter_between_quotation_marks_is_part_of_a_cell():
    text = '1,"Ishikawa, E.",Rome\n2,"Lind, ""Jo""",Oslo\n3,"Ray, M.",Bonn'
    assert cells(text)[1] == ["2", '"Lind, ""Jo"""', "Oslo"]


def test_a_table_with_commas_in_its_cells_is_found_once():
    rows = [f"| ship-{i}, red, large | pier {i} |" for i in range(5)]
    assert cells("\n".join(["| ship, colour, size | place |", "|---|---|", *rows])) == [
        [f"ship-{i}, red, large", f"pier {i}"] for i in range(5)
    ]
    simple = "=======  ==========\n" + "\n".join(f"ship-0{i}  a, b, c-{i}" for i in range(4))
    assert len(cells(simple)) == 4


def test_a_row_that_ends_with_an_empty_cell_ends_its_table():
    assert cells("a\tb\tc\nd\te\t\ng\th\ti") == []


def test_objects_have_the_names_of_their_keys():
    assert cells(JSON_LINES)[0] == ["1593", "Ottokar Eberhardt", "Gothenburg", "2022-07-24"]
    assert columns(JSON_LINES) == {("id", "name", "city", "signed")}
    assert cells('{"a": [1, 2], "b": null}\n{"text": "no object"') == []


def test_every_cell_is_a_slice_of_its_line():
    for text in (CHINESE, GRID, SIMPLE, CSV, JSON_LINES):
        lines = text.split("\n")
        assert all(row.text in lines[row.number] for row in table_rows(lines))


def test_neighbours_in_a_table():
    first, second = table_rows(GRID.split("\n"))
    assert first.is_before(second)
    rows = table_rows(["| a | b |", "| c | d |", "", "| e | f |", "| g | h |"])
    assert [one.is_before(other) for one, other in pairwise(rows)] == [True, False, True]
