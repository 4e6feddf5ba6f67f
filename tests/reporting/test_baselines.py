"""Baselines in a report are the measured ones, or else the paper's."""

import pytest

from in2_plugin.reporting.baselines import baseline_values, shown_baselines
from in2_plugin.reporting.read_results import read_models
from tests.support import lm_eval_results as made


def test_results_without_baselines_use_those_of_the_paper(models):
    echo, other = shown_baselines(models, "document")
    assert (echo.score, echo.label) == (pytest.approx(0.377), "echo only 37.7")
    assert (other.score, other.label) == (pytest.approx(0.12), "any other 12.0")
    assert shown_baselines(models, "code") == ()
    assert baseline_values(models, "document", "echo") == []


def test_measured_baselines_come_first(rich):
    echo, other = shown_baselines(rich.models, "document")
    assert (echo.score, echo.label) == (pytest.approx(0.381), "echo only 38.1")
    assert other.explanation == "answering with a random other item scores 11.7 on the document probe"


def test_baselines_on_the_axis_are_not_drawn(rich):
    assert shown_baselines(rich.models, "database") == ()
    assert baseline_values(rich.models, "database", "other") == [0.001, 0.001]


def test_models_with_different_probes_share_a_mean(tmp_path):
    for name, echo in (("a", 0.3), ("b", 0.4)):
        value = made.scored("m", made.paper_spans("FILM"))
        value["results"]["val_probe_document"]["echo,none"] = echo
        made.write(tmp_path / name, value)
    models = read_models([tmp_path / "a", tmp_path / "b"], ["a", "b"])
    assert shown_baselines(models, "document")[0].score == pytest.approx(0.35)
    assert baseline_values(models, "document", "echo") == [0.3, 0.4]
