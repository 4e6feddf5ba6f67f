import numpy as np
import pytest
from scipy.stats import binomtest

from in2_plugin.errors import SpendingStopped
from in2_plugin.questions import Kind, Passage, Question, Rejection
from in2_plugin.questions.yield_check import WINDOW, YieldCheck, upper_limit

POEM = "unreadable answer: it holds no question"


def rejection(i: int, reason: str = POEM, **changes) -> Rejection:
    passage = Passage(Kind.FINE_GRAINED, i, (i,), (), 0)
    return Rejection(passage, reason, request=f"{i}", **{"excerpt": "Here is a poem.", **changes})


def question(i: int) -> Question:
    return Question(Kind.FINE_GRAINED, "f", "Who?", "Me.", i, (i,), (i,), (), "w", request=f"{i}")


def stopped_at(outcomes, min_yield: float = 0.05) -> tuple[int, str]:
    """The number of passages before the stop, and its message; all of them and no message without a stop."""
    check, done = YieldCheck(min_yield, "fine-grained questions"), 0
    for i, outcome in enumerate(outcomes):
        result = question(i) if outcome is True else rejection(i, *([outcome] if outcome else []))
        try:
            check.record(result, None if outcome is True else result)
        except SpendingStopped as stop:
            return done, str(stop)
        done += 1
    return done, ""


@pytest.mark.parametrize(("successes", "trials"), [(0, 90), (3, 200), (14, 500), (250, 500)])
def test_the_limit_is_that_of_clopper_and_pearson(successes, trials):
    exact = binomtest(successes, trials, alternative="less").proportion_ci(0.99, "exact").high
    assert upper_limit(successes, trials) == pytest.approx(exact)


def test_a_model_without_any_use_is_stopped_after_ninety_passages():
    done, message = stopped_at([False] * 200)
    assert done == 90
    assert "fine-grained questions: 0 of the last 90 passages gave an accepted question" in message
    assert "99% confidence" in message
    assert "unreadable answer: it holds no question (90 times, for example 'Here is a poem.')" in message
    assert "`questions.min_yield: 0`" in message


def test_twenty_unlucky_passages_stop_nothing():
    assert stopped_at([*[False] * 20, *[True, False, False] * 500])[1] == ""


def test_zero_never_stops():
    assert stopped_at([False] * 2_000, min_yield=0)[1] == ""


def test_a_server_that_breaks_late_is_noticed():
    done, message = stopped_at([*[True] * 10_000, *[False] * 2 * WINDOW])
    assert 10_000 < done <= 10_000 + WINDOW
    assert f"of the last {WINDOW} passages" in message


def test_twice_the_yield_is_practically_never_stopped():
    rng = np.random.default_rng(0)
    assert not any(stopped_at((rng.random(1_000) < 0.1).tolist())[1] for _ in range(200))


def test_many_questions_of_one_passage_are_one_chance():
    check = YieldCheck(0.05, "x")
    for i in range(80):
        for _ in range(20):
            check.record(rejection(i), rejection(i))
    with pytest.raises(SpendingStopped, match="0 of the last 90 passages"):
        for i in range(80, 100):
            check.record(rejection(i), rejection(i))


def test_one_accepted_question_makes_a_passage_count():
    check = YieldCheck(0.05, "x")
    for i in range(500):
        check.record(rejection(i), rejection(i))
        check.record(question(i), None)


def test_the_three_commonest_reasons_are_named():
    reasons = ["common"] * 5 + ["second"] * 3 + ["third"] * 2 + ["rare"]
    message = stopped_at(reasons * 10)[1]
    assert [reason in message for reason in ("common (", "second (", "third (", "rare (")] == [True, True, True, False]


def test_the_commonest_reason_is_that_of_the_window():
    check = YieldCheck(0, "x")
    assert check.commonest_reason() == ""
    for i, reason in enumerate(["old"] * WINDOW + ["new"] * WINDOW):
        check.record(rejection(i, reason), rejection(i, reason))
    assert check.commonest_reason() == "new"


def test_a_rejected_question_is_its_own_example():
    check = YieldCheck(0.05, "x")
    with pytest.raises(SpendingStopped, match=r"twice \(90 times, for example 'Who\? -> Me\.'\)"):
        for i in range(91):
            check.record(question(i), rejection(i, "twice", question="Who?", answer="Me.", excerpt=""))
