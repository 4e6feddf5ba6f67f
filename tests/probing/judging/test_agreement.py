"""Shares and Cohen's kappa, with numbers computed by hand."""

import pytest

from in2_plugin.probing.judging.agreement import agreement_of
from in2_plugin.probing.judging.judged_answers import JudgedAnswer


def rows(*pairs):
    return [JudgedAnswer(i, 512, 0, verdict, contained, "j") for i, (verdict, contained) in enumerate(pairs)]


def test_the_textbook_example():
    # Cohen's kappa of 20/5/10/15 is 0.4: observed 0.7, by chance 0.5
    cells = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    found = agreement_of(rows(*cells))
    assert (found.answers, found.only_judge, found.only_contained) == (50, 5, 10)
    assert (found.judged, found.contained, found.agreement) == (0.5, 0.6, 0.7)
    assert found.kappa == pytest.approx(0.4)


def test_kappa_is_undefined_if_both_always_say_the_same():
    assert agreement_of(rows((True, True), (True, True))).kappa is None
    assert agreement_of(rows((True, True), (False, False))).kappa == 1


def test_answers_without_a_verdict_do_not_count():
    assert agreement_of(rows((True, True), (None, False))).answers == 1
    assert agreement_of(rows((None, False))).answers == 0
