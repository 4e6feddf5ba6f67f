"""The report of a teacher: figures by part and depth, and a verdict that follows the paired interval."""

import json

import pytest

from in2_plugin.reporting.teacher_report import teacher_report
from in2_plugin.teaching.measure import ContextComparison, GoldAnswer

NAN = float("nan")


def answer(part="fine_grained", exact=True, n_tokens=4, covered=0.9):
    return GoldAnswer(0, part, 0.5, n_tokens, exact, covered)


def compared(gold, whole, depth=0.5, kl=0.5, example=0):
    return ContextComparison(example, depth, 4, gold, whole, 1.0, 2.0, kl)


def test_answers_by_part_and_probability_by_token():
    report = teacher_report([answer(), answer(exact=False), answer("general", n_tokens=12, covered=0.5)], [])
    assert report.gold_exact == {"fine_grained": (2, 0.5), "general": (1, 1.0)}
    assert report.covered == pytest.approx((0.9 * 8 + 0.5 * 12) / 20)
    assert report.depths == () and report.gain is None and "--compare 20" in report.verdict


def test_questions_by_fifth_of_the_depth():
    questions = [compared(True, False, 0.05), compared(True, True, 0.99, kl=1.5), compared(False, False, NAN)]
    rows = teacher_report([answer()], questions).depths
    assert [(row.depth, row.questions) for row in rows] == [("0-20%", 1), ("80-100%", 1), ("all", 3)]
    assert (rows[1].kl, rows[0].gold_nats, rows[2].whole_nats) == (1.5, 1.0, 2.0)
    assert rows[2].gold_exact == pytest.approx(2 / 3) and rows[2].whole_exact == pytest.approx(1 / 3)


def test_a_better_teacher_has_something_to_distil():
    report = teacher_report([answer()], [compared(i % 10 != 0, i % 3 == 0, example=i) for i in range(60)])
    assert report.gain[0] > 0 and report.verdict.startswith("there is something to distil: 90% of the answers")
    assert "33% from the whole context (+57%, 95% interval" in report.verdict


@pytest.mark.parametrize(("gold", "whole"), [(False, False), (True, True), (False, True)])
def test_a_teacher_that_is_no_better_has_nothing_to_distil(gold, whole):
    report = teacher_report([answer()], [compared(gold, whole, example=i) for i in range(60)])
    assert report.gain[0] <= 0 and "there is nothing to distil from this teacher" in report.verdict


def test_few_contexts_do_not_show_anything():
    report = teacher_report([answer()], [compared(i % 2 == 0, i % 3 == 0, example=i) for i in range(12)])
    assert report.gain[0] < 0 < report.gain[1]
    assert report.verdict.startswith("it is not shown that there is something to distil: 50% of the answers")
    assert report.verdict.endswith("; compare more contexts (--compare)")


def test_questions_of_one_context_are_no_sample():
    report = teacher_report([answer()], [compared(True, False), compared(True, True)])
    assert report.gain is None and "(+50%, no interval from a single context); compare more contexts" in report.verdict


def test_questions_are_resampled_by_context():
    """With equal answers within each context, four questions of one tell no more than one."""

    def width(per_context):
        questions = [compared(i % 2 == 0, False, example=i) for i in range(20) for _ in range(per_context)]
        low, high = teacher_report([answer()], questions).gain
        return high - low

    assert width(4) == pytest.approx(width(1), rel=0.15)


def test_the_report_is_json_and_the_same_each_time():
    questions = [compared(i % 2 == 0, i % 3 == 0, example=i) for i in range(20)]
    first, second = (json.dumps(teacher_report([answer()], questions).as_json()) for _ in range(2))
    assert first == second and '"gain": [' in first
