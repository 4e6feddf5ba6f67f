"""Headlines: improved, worse or neither, with the numbers of the comparison, and never against the verdict."""

from dataclasses import replace
from itertools import product

import pytest

from in2_plugin.probing.scoring.dip import PositionEffect, PositionEstimate
from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.position.read import read_position_models
from in2_plugin.reporting.read_results import read_models
from in2_plugin.reporting.text.headline import headlines
from in2_plugin.reporting.text.next_step import Outcome
from in2_plugin.reporting.verdict import Verdict, judge_change
from tests.support import lm_eval_results as made_val
from tests.support import position_results as made

INTERVALS = ((0.1, 0.3), (0.0, 0.2), (-0.1, 0.3), (-0.2, 0.0), (-0.3, -0.1))


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
    return made.reader(row) if row["question"] % 2 else "It is not stated."


def mostly_middle(row):
    is_at_end = made.only_ends(row) == made.oracle(row)
    return half(row) if is_at_end else made.reader(row)


def mostly_ends(row):
    return made.only_ends(row) if row["question"] % 2 else made.reader(row)


def test_a_model_that_learns_to_find_has_improved(headline):
    (found,), _ = headline(before=nothing, after=made.reader)
    assert found.outcome is Outcome.IMPROVED and found.task == "litm_qa"
    assert found.sentence == (
        "Improved: from 0.0% right answers (before) to 100.0% (after). "
        "The middle scores higher, and is not shown to be below the ends."
    )
    assert found.average == "0.0 [0.0, 8.6] → 100.0 [91.4, 100.0]"
    assert found.dip.startswith("+0.0 [") and " → +0.0 [" in found.dip


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (made.only_ends, made.reader, "Only the middle scores higher, and is no longer shown to be below the ends."),
        (made.only_ends, mostly_ends, "Only the middle scores higher, but is still below the ends."),
        (nothing, mostly_ends, "The middle scores higher, but is below the ends."),
        (nothing, mostly_middle, "The middle has gained more, and is not shown to be below the ends."),
    ],
)
def test_the_middle_is_compared_with_the_ends(headline, before, after, says):
    (found,), _ = headline(before=before, after=after)
    assert found.outcome is Outcome.IMPROVED and found.sentence.endswith(f"(after). {says}")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (half, half, "No improvement shown: from 50.0% right answers (before) to 50.0% (after); "
                     "the difference is within chance."),
        (half, nothing, "Worse: from 50.0% right answers (before) to 0.0% (after)."),
        (nothing, made.only_ends, "No improvement shown: from 0.0% right answers (before) to 40.0% (after); "
                                  "the middle is not shown to score higher."),
        (half, mostly_ends, "Worse by position: from 50.0% right answers (before) to 70.0% (after); "
                            "the middle has lost ground to the ends."),
        (nothing, made.oracle, "No improvement shown: from 0.0% right answers (before) to 100.0% (after), not clearly "
                               "better than without reading (100.0%)."),
        (nothing, nothing, "No improvement shown: from 0.0% right answers (before) to 0.0% (after), not clearly "
                           "better than without reading (0.0%)."),
    ],
)  # fmt: skip
def test_a_model_that_has_not_improved(headline, before, after, sentence):
    (found,), _ = headline(before=before, after=after)
    assert found.sentence == sentence and found.next_step


@pytest.mark.parametrize("before", [nothing, half, made.only_ends])
@pytest.mark.parametrize("after", [nothing, half, made.reader])
def test_a_headline_never_contradicts_the_verdict(headline, before, after):
    """Every combination of intervals of average, dip and middle, at several levels of the scores."""
    _, comparison = headline(before=before, after=after)
    seen = {_check(comparison, *intervals) for intervals in product(INTERVALS, repeat=3)}
    if nothing not in (before, after):
        assert {("Improved", verdict) for verdict in (Verdict.IMPROVED, Verdict.NO_CHANGE)} < seen
        assert {("Worse", Verdict.WORSE), ("Worse by position", Verdict.WORSE)} < seen


def _check(comparison, average, dip, middle):
    """Return what the headline of these intervals begins with and its verdict, after comparing both."""
    (change,) = comparison.changes
    effect = PositionEffect(*(PositionEstimate(sum(one) / 2, one) for one in (dip, (-1.0, 1.0), middle)))
    change = replace(
        change, position=effect, difference=replace(change.difference, avg=sum(average) / 2, avg_interval=average)
    )
    task, evidence = change.tasks[0], [comparison.of(one, one.tasks[change.tasks[0]]) for one in comparison.models]
    verdict = judge_change(comparison.models, task, evidence, change)
    (found,) = headlines(replace(comparison, changes=(change,), verdicts=(verdict,)))
    said, verdict = found.sentence.partition(":")[0], verdict.verdict
    assert said == found.outcome.capitalize()
    if found.outcome is Outcome.IMPROVED:
        assert verdict is not Verdict.WORSE and average[1] >= 0 and middle[0] > 0
    if verdict is Verdict.IMPROVED:
        assert found.outcome is Outcome.IMPROVED
    if verdict is Verdict.WORSE:
        assert said == ("Worse" if average[1] < 0 else "Worse by position")
    if said.startswith("Worse"):
        assert verdict in (Verdict.WORSE, Verdict.FLOOR)
    return said, verdict


def test_the_average_of_a_document_probe_is_no_share_of_answers(tmp_path):
    for number, level in enumerate((0.4, 0.8)):
        content = made_val.content("m", {})
        made_val.add(content, "val_probe_document", made_val.drawn_sets([level] * 16, 200, number, graded=True))
        made_val.write(tmp_path / str(number), content)
    (found,) = headlines(compare(read_models([tmp_path / "0", tmp_path / "1"], ["a", "b"])))
    assert found.sentence.startswith("Improved: from an average of ") and "right answers" not in found.sentence


def test_the_last_of_several_models_is_compared_and_all_are_listed(headline):
    (found,), comparison = headline(a=nothing, b=half, c=made.reader)
    assert found.outcome is Outcome.IMPROVED and "from 0.0% right answers (a) to 100.0% (c)" in found.sentence
    assert found.average.count("→") == 2
    assert [model.label for model in comparison.models] == ["a", "b", "c"]


def test_a_last_round_that_gave_nothing_is_not_hidden_by_the_first(headline):
    (found,), _ = headline(a=nothing, b=half, c=half)
    assert found.sentence == (
        "Improved: from 0.0% right answers (a) to 50.0% (c). "
        "The middle scores higher, and is not shown to be below the ends. "
        "No improvement shown: from 50.0% right answers (b) to 50.0% (c); the difference is within chance."
    )
    assert found.next_step


def test_one_model_has_no_headline(headline):
    assert headline(only=half)[0] == []
