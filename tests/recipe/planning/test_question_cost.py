"""Check the cost of questions."""

import pytest

from in2_plugin.recipe.planning.question_cost import question_cost
from tests.support.small_build import small_build


def test_money_is_tokens_times_prices():
    cost = question_cost(small_build())
    assert cost.calls == 1_100
    assert cost.writer.input_tokens == 1_000 * (250 + 160) + 100 * (357 + 600)
    assert cost.money == pytest.approx((cost.writer.input_tokens + 10 * cost.writer.output_tokens) / 1e6)
    several = question_cost(small_build(questions={"questions_per_call": 4}))
    assert several.calls == 275
    assert several.writer.output_tokens == cost.writer.output_tokens


def test_checks_by_a_judge_are_calls_and_a_judge_without_prices_leaves_money_out():
    verify = {"fine_grained": ["answerable"], "integration": ["needs_all"]}
    assert question_cost(small_build(questions={"verify": verify})).calls == 1_100 + 1_000 + 2 * 100
    unpaid = question_cost(small_build(questions={"verify": {**verify, "judge": {"model": "j"}}}))
    assert unpaid.money is None


def test_an_extractive_writer_costs_nothing():
    cost = question_cost(small_build(questions={"writer": "extractive"}))
    assert (cost.questions, cost.calls) == (1_100, 0)
