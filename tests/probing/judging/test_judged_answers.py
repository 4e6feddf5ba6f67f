"""Verdicts as files."""

import json

import pytest

from in2_plugin.errors import ReportError
from in2_plugin.probing.judging.judged_answers import JudgedAnswer, judged_path, read_judged, write_judged
from in2_plugin.probing.judging.logged_answers import AnswerLog

ROWS = (JudgedAnswer(0, 512, 3, True, False, "j"), JudgedAnswer(1, 512, 0, None, True, "j", "the judge declined"))


def test_rows_are_restored(tmp_path):
    path = judged_path(AnswerLog(tmp_path / "samples_t_x_D.jsonl", "t_x", "D"))
    assert path == tmp_path / "judged_t_x_D.jsonl"
    write_judged(path, ROWS)
    assert read_judged(path) == ROWS
    first = json.loads(path.read_text().splitlines()[0])
    assert first == {"question": 0, "length": 512, "depth": 3, "verdict": True, "contained": False, "judge": "j"}


def test_a_damaged_row_is_named(tmp_path):
    path = tmp_path / "judged_t_D.jsonl"
    write_judged(path, ROWS)
    path.write_text(path.read_text()[:-10])
    with pytest.raises(ReportError, match=r"judged_t_D\.jsonl, row 2: is not a verdict"):
        read_judged(path)
