"""Headlines: improved, worse or neither, with the numbers of the comparison."""

import pytest

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.position.read import read_position_models
from in2_plugin.reporting.read_results import read_models
from in2_plugin.reporting.text.headline import headlines
from tests.support import position_results as made


@pytest.fixture
def headline(tmp_path):
    """Return a function that gives the headline of scripted models, and the comparison."""

    def of(**models):
        for label, answers in models.items():
            made.write(tmp_path / label, label, answers, questions=20, log=False)
        comparison = compare(read_position_models(read_models([tmp_path / name for name in models], list(models))))
        return list(headlines(comparison)), comparison

    return of


def nothing(_row):
    return "I do not know."


def half(row):
    return made.oracle(row) if row["question"] % 2 else "It is not stated."


def test_a_model_that_learns_to_find_has_improved(headline):
    (found,), _ = headline(before=nothing, after=made.oracle)
    assert found.improved and found.task == "litm_qa"
    assert found.sentence.startswith("Improved: after gives 100.0% right answers, before 0.0%, and the middle ")
    assert "still less" not in found.sentence
    assert found.average == "0.0 [0.0, 8.6] → 100.0 [91.4, 100.0]"
    assert found.dip.startswith("+0.0 [") and " → +0.0 [" in found.dip


def test_a_middle_that_is_found_again_gained_more_than_the_ends(headline):
    (found,), _ = headline(before=made.only_ends, after=made.reader)
    assert found.improved and "the middle has gained more than the ends; it is not shown" in found.sentence


def test_a_model_that_learns_only_the_ends_has_not_improved(headline):
    (found,), _ = headline(before=nothing, after=made.only_ends)
    assert not found.improved and found.sentence.startswith("No improvement shown: after gives 40.0%")


def test_equal_and_worse_models(headline):
    (same,), _ = headline(before=half, after=half)
    (worse,), _ = headline(before=half, after=nothing)
    assert not same.improved and "within chance" in same.sentence
    assert not worse.improved and worse.sentence == "Worse: after gives 0.0% right answers, before 50.0%."


def test_the_last_of_several_models_is_compared_and_all_are_listed(headline):
    (found,), comparison = headline(a=nothing, b=half, c=made.oracle)
    assert found.improved and "c gives 100.0% right answers, a 0.0%" in found.sentence
    assert found.average.count("→") == 2
    assert [model.label for model in comparison.models] == ["a", "b", "c"]


def test_one_model_has_no_headline(headline):
    assert headline(only=half)[0] == []
