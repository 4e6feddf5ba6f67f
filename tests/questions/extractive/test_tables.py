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
