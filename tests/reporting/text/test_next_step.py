"""Advice by outcome and by the controls of the trained model."""

import pytest

from in2_plugin.reporting.position.read import read_position_models
from in2_plugin.reporting.read_results import read_models
from in2_plugin.reporting.text.next_step import Outcome, next_step
from tests.support import position_results as made


@pytest.fixture
def trained(tmp_path):
    """Return a function that gives the results of a scripted model."""

    def of(answers, **options):
        made.write(tmp_path / "m", "m", answers, questions=10, log=False, **options)
        (model,) = read_position_models(read_models([tmp_path / "m"], ["m"]))
        return model

    return of


NOT_IMPROVED = tuple(one for one in Outcome if one is not Outcome.IMPROVED)


def test_after_an_improvement_there_is_nothing_to_say(trained):
    assert next_step(Outcome.IMPROVED, trained(made.reader), "litm_qa") == ""


@pytest.mark.parametrize("outcome", NOT_IMPROVED)
def test_a_model_that_fails_even_on_the_gold_alone_needs_more_training(trained, outcome):
    assert next_step(outcome, trained(made.echo), "litm_qa") == (
        "m gives 0.0% right answers even from the gold segment alone, so it cannot answer such questions yet: train on "
        "more of them, or train a larger model."
    )


@pytest.mark.parametrize("outcome", NOT_IMPROVED)
def test_a_model_that_knows_the_answers_needs_other_questions(trained, outcome):
    assert "ask about documents that it has not seen" in next_step(outcome, trained(made.closed_book), "litm_qa")


@pytest.mark.parametrize("options", [{}, {"controls": ("",)}])
def test_a_model_that_can_answer_gets_advice_by_its_outcome(trained, options):
    model = trained(made.only_ends, **options)
    said = [next_step(outcome, model, "litm_qa") for outcome in NOT_IMPROVED]
    assert "lower the learning rate" in said[0]
    assert "contexts as long as these (4K tokens)" in said[1]
    assert "Train on more questions" in said[2]
