"""Rows are durable: scores before rows, and a row that a kill cut off is not there."""

import pytest

from benchmarks.evidence.rows import Model, Rows, ScoredUnit
from in2_plugin.errors import ReportError

MODEL = Model("uniform", 1)
SCORES = [ScoredUnit("in2_probe_context", 4_096, 3, 2, 5, 0.5), ScoredUnit("choices", 0, 0, 0, 1, 1.0)]


def test_rows_and_scores_are_read_as_they_were_written(tmp_path):
    Rows(tmp_path).add(MODEL, "own", SCORES, seconds=3.5)
    rows = Rows(tmp_path)
    row = rows.find(MODEL, "own")
    assert row["seconds"] == 3.5 and list(rows.scores(row)) == SCORES
    assert rows.find(MODEL, "val") is None and rows.find(Model("uniform", 2), "own") is None


def test_a_row_that_a_kill_cut_off_is_dropped_and_overwritten(tmp_path):
    rows = Rows(tmp_path)
    rows.add(MODEL, "own", SCORES)
    file = tmp_path / "rows.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:20])
    again = Rows(tmp_path)
    assert len(again.all) == 1
    again.add(MODEL, "val", ())
    assert [row["measure"] for row in Rows(tmp_path).all] == ["own", "val"]


def test_a_row_without_its_scores_is_an_error(tmp_path):
    rows = Rows(tmp_path)
    rows.add(MODEL, "own", SCORES)
    (tmp_path / "scores/uniform-s1-own.parquet").unlink()
    with pytest.raises(ReportError, match="copy the whole folder"):
        list(rows.scores(rows.all[0]))


def test_a_damaged_row_is_named(tmp_path):
    (tmp_path / "rows.jsonl").write_text("{}\nnonsense\n")
    with pytest.raises(ReportError, match=r"rows\.jsonl:2: is not JSON"):
        Rows(tmp_path)
