"""Scores are arranged by question and depth, and only equal questions are compared."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.evidence.analysis.invented import invent_study
from benchmarks.evidence.analysis.scores import StudyScores, read_scores
from benchmarks.evidence.rows import Model, Rows, ScoredUnit
from benchmarks.evidence.study import STUDY, load_study
from in2_plugin.errors import ReportError
from in2_plugin.probing.scoring.dip import measured_dip
from in2_plugin.probing.scoring.scores import gather

OWN = ("in2_probe_context", 4_096)


def scores_of(tmp_path, by_model: dict[Model, list[ScoredUnit]]) -> StudyScores:
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "study.yml").write_text(STUDY.read_text())
    rows = Rows(tmp_path)
    for model, scores in by_model.items():
        rows.add(model, "own", scores)
    return read_scores(tmp_path)


def test_the_dip_is_that_of_the_report(tmp_path):
    rng = np.random.default_rng(0)
    own = [ScoredUnit(*OWN, q, d, 7, float(rng.integers(2))) for q in range(9) for d in range(7)]
    sets = ((0, 20, range(20)), (1, 15, range(2, 15)), (2, 10, range(0, 10, 2)))  # of uneven sizes
    val = [ScoredUnit("val_probe_code", 4_096, s, p, n, float(rng.integers(2))) for s, n, ps in sets for p in ps]
    found = scores_of(tmp_path, {Model("uniform", 0): [*own, *val]})
    for task, units, by_question in ((OWN, own, True), (("val_probe_code", 4_096), val, False)):
        sets = gather((one.score, one.position, one.n_positions, one.unit) for one in units)
        dip = found.estimate(task, "dip", "uniform").value
        assert dip == pytest.approx(measured_dip(sets, by_question=by_question), abs=1e-6)
    curve = found.curve(OWN, "uniform", 0)
    assert len(curve) == 5 and found.estimate(OWN, "avg", "uniform").value == pytest.approx(np.mean(curve))


def test_ends_minus_middle_is_the_dip(tmp_path):
    invent_study(tmp_path, {"start": 30, "uniform": 0}, questions=50, seeds=2, seed=0)
    found = read_scores(tmp_path)
    ends, middle, dip = (found.estimate(OWN, quantity, "start").value for quantity in ("ends", "middle", "dip"))
    assert ends - middle == pytest.approx(dip)
    contrast = found.estimate(OWN, "dip", "uniform", "start")
    assert contrast.value == pytest.approx(found.estimate(OWN, "dip", "uniform").value - dip)


def test_controls_have_an_average_and_no_depths(tmp_path):
    units = [ScoredUnit("in2_probe_gold_only", 1_024, q, 0, 1, float(q % 2)) for q in range(6)]
    found = scores_of(tmp_path, {Model("start", 0): units})
    assert not found.has_depths(("in2_probe_gold_only", 1_024))
    assert found.estimate(("in2_probe_gold_only", 1_024), "avg", "start").value == 0.5
    for quantity in ("dip", "ends", "middle"):
        assert found.estimate(("in2_probe_gold_only", 1_024), quantity, "start") is None


@pytest.mark.parametrize(("task", "n"), [(OWN, 4), (("val_probe_code", 4_096), 4), (("held_out_exact", 0), 5)])
def test_a_fifth_without_a_question_gives_no_dip(tmp_path, task, n):
    units = [ScoredUnit(*task, q, d, n, float(q % 2)) for q in range(4) for d in range(4)]
    found = scores_of(tmp_path, {Model("start", 0): units, Model("uniform", 0): units})
    assert found.estimate(task, "dip", "start") is None and found.estimate(task, "dip", "uniform", "start") is None
    assert found.estimate(task, "avg", "start").value == 0.5


def test_a_question_that_lacks_a_fifth_is_not_left_out_silently(tmp_path):
    units = [ScoredUnit(*OWN, q, d, 5, 1.0) for q in range(4) for d in range(5)]
    found = scores_of(tmp_path, {Model("start", 0): units[:-1]})
    with pytest.raises(ReportError, match="question 3 was not asked in every fifth"):
        found.estimate(OWN, "dip", "start")


def test_only_common_seeds_are_compared(tmp_path):
    units = [ScoredUnit(*OWN, q, d, 5, float((q + d) % 2)) for q in range(4) for d in range(5)]
    models = [Model("start", 0), Model("start", 1), Model("uniform", 1)]
    found = scores_of(tmp_path, dict.fromkeys(models, units))
    assert found.estimate(OWN, "dip", "start").seeds == 2
    assert found.estimate(OWN, "dip", "uniform", "start").seeds == 1
    assert found.estimate(OWN, "dip", "edges") is None


def test_other_questions_are_an_error(tmp_path):
    units = [ScoredUnit(*OWN, q, d, 5, 1.0) for q in range(4) for d in range(5)]
    found = scores_of(tmp_path, {Model("start", 0): units, Model("start", 1): units[:-1]})
    with pytest.raises(ReportError, match="asked different questions"):
        found.estimate(OWN, "dip", "start")


def test_a_folder_without_rows_is_an_error(tmp_path):
    with pytest.raises(ReportError, match="run the study first"):
        read_scores(tmp_path)


def test_trained_arms_are_those_with_a_second_stage():
    assert "start" not in load_study(STUDY).trained_arms


def test_arms_that_were_asked_other_questions_are_not_compared(tmp_path):
    units = [ScoredUnit(*OWN, q, d, 5, 1.0) for q in range(4) for d in range(5)]
    others = [ScoredUnit(*OWN, q + 1, d, 5, 1.0) for q in range(4) for d in range(5)]
    found = scores_of(tmp_path, {Model("start", 0): units, Model("uniform", 0): others})
    with pytest.raises(ReportError, match="uniform and start were asked different questions"):
        found.estimate(OWN, "dip", "uniform", "start")


def test_questions_that_share_contexts_can_be_one_unit(tmp_path):
    rng = np.random.default_rng(0)
    units = [ScoredUnit(*OWN, q, d, 5, float(rng.integers(2)), 5 * (q // 3) + d) for q in range(8) for d in range(5)]
    found = scores_of(tmp_path, {Model("start", 0): units})
    one, blocks = (found.estimate(OWN, "dip", "start", by_block=by_block) for by_block in (False, True))
    assert blocks.value == pytest.approx(one.value) and (one.questions, blocks.questions) == (8, 3)
    unknown = scores_of(tmp_path / "unknown", {Model("start", 0): [replace(unit, context=-1) for unit in units]})
    assert unknown.estimate(OWN, "dip", "start", by_block=True) is None
