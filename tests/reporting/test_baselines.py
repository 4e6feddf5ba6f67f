import pytest

from in2_plugin.reporting.baselines import floor_values, shown_floors
from in2_plugin.reporting.read_results import read_models
from tests.support import lm_eval_results as made


def test_results_without_floors_are_shown_with_the_papers(models):
    echo, other = shown_floors(models, "document")
    assert (echo.score, echo.label) == (pytest.approx(0.377), "echo only 37.7")
    assert (other.score, other.label) == (pytest.approx(0.12), "any other 12.0")
    assert shown_floors(models, "code") == ()
    assert floor_values(models, "document", "echo") == []


def test_floors_of_the_very_probe_come_first(rich):
    echo, other = shown_floors(rich.models, "document")
    assert (echo.score, echo.label) == (pytest.approx(0.381), "echo only 38.1")
    assert other.explanation == "answering with a random other item scores 11.7 on the document probe"


def test_floors_that_are_the_axis_are_not_drawn(rich):
    assert shown_floors(rich.models, "database") == ()
    assert floor_values(rich.models, "database", "other") == [0.001, 0.001]


def test_models_whose_probes_differ_share_a_mean(tmp_path):
    for name, echo in (("a", 0.3), ("b", 0.4)):
        value = made.scored("m", made.paper_spans("FILM"))
        value["results"]["val_probe_document"]["echo,none"] = echo
        made.write(tmp_path / name, value)
    models = read_models([tmp_path / "a", tmp_path / "b"], ["a", "b"])
    assert shown_floors(models, "document")[0].score == pytest.approx(0.35)
    assert floor_values(models, "document", "echo") == [0.3, 0.4]
