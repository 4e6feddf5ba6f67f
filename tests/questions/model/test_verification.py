import asyncio
from itertools import pairwise

import pytest

from in2_plugin.questions.model.verification import UNANSWERABLE, verify, word_f1

QUESTION, ANSWER = "Who founded Harbour Seven?", "Fishermen from the northern islands."
OTHER = "People who fish and live up north."
LONG, LONG_OTHER_YEAR = "It was founded in the winter of 1843", "It was founded in the winter of 1844"
GOLD = ("Fishermen came from the northern islands.", "They founded Harbour Seven.")


class Judge:
    """Answers by purpose, in order, and remembers what it was asked."""

    def __init__(self, **answers) -> None:
        self._answers = {purpose: list(said) for purpose, said in answers.items()}
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, prompt: str, purpose: str) -> str:
        self.asked.append((purpose, prompt))
        return self._answers[purpose].pop(0)

    @property
    def purposes(self) -> list[str]:
        return [purpose for purpose, _ in self.asked]


def verified(judge: Judge, *checks: str) -> str | None:
    return asyncio.run(verify(QUESTION, ANSWER, GOLD, checks, judge))


def test_the_same_words_need_no_grade():
    judge = Judge(answerable=["fishermen from the Northern islands"])
    assert verified(judge, "answerable") is None
    assert judge.purposes == ["answerable"]


def test_other_words_are_graded():
    judge = Judge(answerable=[OTHER], agreement=["SAME"])
    assert verified(judge, "answerable") is None
    assert judge.purposes == ["answerable", "agreement"]
    grade = judge.asked[1][1]
    assert QUESTION in grade and ANSWER in grade and OTHER in grade


@pytest.mark.parametrize("said", [UNANSWERABLE, f"{UNANSWERABLE}.", "unanswerable"])
def test_gold_that_does_not_do(said):
    judge = Judge(answerable=[said])
    assert verified(judge, "answerable", "closed_book") == "a judge that saw the gold segments gave another answer"
    assert judge.purposes == ["answerable"]


def test_another_answer_from_gold():
    judge = Judge(answerable=["The king."], agreement=["DIFFERENT"])
    assert verified(judge, "answerable") == "a judge that saw the gold segments gave another answer"


def test_closed_book():
    assert verified(Judge(closed_book=[UNANSWERABLE]), "closed_book") is None
    assert verified(Judge(closed_book=["The king."], agreement=["DIFFERENT"]), "closed_book") is None
    judge = Judge(closed_book=[ANSWER])
    assert verified(judge, "closed_book") == "a judge that saw nothing gave the answer"
    assert not any(text in judge.asked[0][1] for text in GOLD)


def test_needs_all():
    judge = Judge(needs_all=[UNANSWERABLE, UNANSWERABLE])
    assert verified(judge, "needs_all") is None
    assert [GOLD[0] in judge.asked[0][1], GOLD[1] in judge.asked[0][1]] == [True, False]
    assert [GOLD[0] in judge.asked[1][1], GOLD[1] in judge.asked[1][1]] == [False, True]
    judge = Judge(needs_all=[ANSWER])
    assert verified(judge, "needs_all") == "a judge that saw one segment alone gave the answer"
    assert judge.purposes == ["needs_all"]


def test_all_checks_in_the_order_of_their_cost():
    judge = Judge(answerable=[ANSWER], closed_book=[UNANSWERABLE], needs_all=[UNANSWERABLE] * 2)
    assert verified(judge, "needs_all", "closed_book", "answerable") is None
    assert judge.purposes == ["answerable", "closed_book", "needs_all", "needs_all"]


@pytest.mark.parametrize("check", ["answerable", "closed_book", "needs_all"])
def test_without_a_verdict_a_question_is_turned_down(check):
    judge = Judge(**{check: [OTHER], "agreement": ["Hard to say."]})
    assert verified(judge, check) == "the judge gave no verdict"


@pytest.mark.parametrize("check", ["answerable", "closed_book", "needs_all"])
@pytest.mark.parametrize("said", ["", " \n", "<think>Fishermen</think>", "<think>Fishermen, or"])
def test_a_judge_that_says_nothing_passes_nothing(check, said):
    judge = Judge(**{check: [said]})
    assert verified(judge, check) == "the judge gave no verdict"
    assert judge.purposes == [check]


@pytest.mark.parametrize(
    "grade", ["SAME", "same.", "**SAME**", "<think>DIFFERENT?</think>SAME", "DIFFERENT?</think>SAME"]
)
def test_grades_that_agree(grade):
    assert verified(Judge(answerable=[OTHER], agreement=[grade]), "answerable") is None


@pytest.mark.parametrize("grade", ["DIFFERENT", "different", "They are not the same.", "Not the SAME: DIFFERENT."])
def test_grades_that_do_not(grade):
    judge = Judge(answerable=[OTHER], agreement=[grade])
    assert verified(judge, "answerable") == "a judge that saw the gold segments gave another answer"


@pytest.mark.parametrize("grade", ["", "Hard to say.", "SAME or DIFFERENT", "<think>SAME"])
def test_grades_that_say_nothing(grade):
    judge = Judge(answerable=[OTHER], agreement=[grade])
    assert verified(judge, "answerable") == "the judge gave no verdict"


def test_a_draft_in_the_judges_thoughts_is_not_its_answer():
    judge = Judge(closed_book=[f"Perhaps {UNANSWERABLE}?</think>{ANSWER}"])
    assert verified(judge, "closed_book") == "a judge that saw nothing gave the answer"


@pytest.mark.parametrize(("said", "calls"), [("It was founded in the winter of 1843.", 1), (LONG_OTHER_YEAR, 2)])
def test_other_numbers_are_graded_however_alike_the_words(said, calls):
    judge = Judge(answerable=[said], agreement=["DIFFERENT"])
    reason = asyncio.run(verify(QUESTION, LONG, GOLD, ["answerable"], judge))
    assert len(judge.asked) == calls
    assert (reason is None) == (calls == 1)


@pytest.mark.parametrize(
    ("check", "graded", "purposes"),
    [
        ("answerable", "SAME", ["answerable", "agreement"]),
        ("closed_book", "DIFFERENT", ["closed_book", "agreement"]),
        ("needs_all", "DIFFERENT", ["needs_all", "agreement", "needs_all", "agreement"]),
    ],
)
def test_the_most_that_a_check_costs(check, graded, purposes):
    judge = Judge(**{check: [OTHER, OTHER], "agreement": [graded, graded]})
    assert verified(judge, check) is None
    assert judge.purposes == purposes


def test_no_checks_no_calls():
    assert verified(Judge()) is None


def test_word_f1():
    assert word_f1("a b", "A, b.") == 1
    assert word_f1("a b", "c") == 0
    assert word_f1("北方的渔民", "北方渔民") > 0.8
    scores = [word_f1("the old harbour of the north", other) for other in ("the old harbour", "the old", "old")]
    assert all(more > less for more, less in pairwise(scores))
