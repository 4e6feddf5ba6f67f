"""Results of position probes, written by lm_eval's functions on scripted answers, become results like VAL's."""

import json

import pytest

from in2_plugin.errors import ReportError
from in2_plugin.reporting.position.read import position_task, read_position_models
from in2_plugin.reporting.read_results import read_models
from tests.support import position_results as made


def read(*folders):
    return read_position_models(read_models(list(folders), [folder.name for folder in folders]))


def test_names_of_tasks():
    assert position_task("litm_kv") == ("litm_kv", "")
    assert position_task("litm_qa_context") == ("litm_qa", "")
    assert position_task("litm_qa_closed_book") == ("litm_qa", "closed_book")
    assert position_task("in2_probe_gold_only") == ("in2_probe", "gold_only")
    # a group, and what only looks like a task
    assert [position_task(name) for name in ("in2_probe", "litm_qa_x", "val_probe_code", "litm_qa_")] == [None] * 4


def test_a_task_with_two_lengths_is_two_results(tmp_path):
    made.write(tmp_path / "m", "org/m", made.only_ends, lengths=(4096, 8192))
    (model,) = read(tmp_path / "m")
    assert [(key.family, key.length) for key in model.probes] == [
        ("", 4096), ("", 8192), ("closed_book", 4096), ("closed_book", 8192), ("gold_only", 4096), ("gold_only", 8192),
    ]  # fmt: skip
    result = model.tasks["litm_qa"]
    assert result.key.length == 8192
    assert result.spans == (1.0, 1.0, *[0.0] * 6, 1.0, 1.0)
    assert (result.score.avg, result.rows, len(result.sets)) == (pytest.approx(0.4), 400, 40)


def test_a_probe_with_two_golds_alone_has_an_average_and_no_curve(tmp_path):
    made.write(tmp_path / "m", "m", made.only_ends, questions=0, integration=20)
    (model,) = read(tmp_path / "m")
    result = model.tasks["litm_qa"]
    assert (result.sets, result.spans, result.has_curve) == ((), (None,) * 10, False)
    scores = [one.score for one in result.position.answers]
    assert (result.score.avg, result.score.gap, result.rows) == (pytest.approx(sum(scores) / 200), 0.0, 200)


def test_two_models_in_one_folder_are_refused(tmp_path, before):
    made.write(tmp_path / "m" / "1", "org/m", made.only_ends)
    made.write(before, "org/other", made.only_ends)
    with pytest.raises(ReportError, match=r"before holds results of 2 models \(mistralai/.*, org/other\); give one"):
        read(before)


def test_a_control_that_asked_other_questions_is_ignored(tmp_path):
    made.write(tmp_path / "m" / "1", "org/m", made.only_ends, controls=("", "gold_only"))
    path = made.write(tmp_path / "m" / "2", "org/m", made.closed_book, controls=("closed_book",), digest="f" * 16)
    (model,) = read(tmp_path / "m")
    assert {key.family for key in model.probes} == {"", "gold_only"}
    (note,) = model.notes
    assert note.startswith(f"{path}: litm_qa_closed_book asked other questions than litm_qa_context")


def test_a_model_without_position_probes_has_none(before):
    (model,) = read_position_models(read_models([before]))
    assert (model.probes, model.tasks) == ({}, {})


def test_damaged_scores_name_the_file(tmp_path):
    path = made.write(tmp_path / "m", "m", made.oracle)
    value = json.loads(path.read_text())
    value["results"]["litm_qa_context"]["scores_stderr,none"] = "[]"
    path.write_text(json.dumps(value))
    with pytest.raises(ReportError, match=r"results_.*json: litm_qa_context: .*run the probe again"):
        read(tmp_path / "m")
    del value["results"]["litm_qa_context"]["scores_stderr,none"]
    path.write_text(json.dumps(value))
    with pytest.raises(ReportError, match="litm_qa_context has no scores_stderr"):
        read(tmp_path / "m")
