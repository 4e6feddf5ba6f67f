"""The three metrics of the paper, and that of the matrix, case by case."""

import pytest

from in2_plugin.probing.scoring.answers import (
    all_contained,
    best_recall,
    code_score,
    database_score,
    document_score,
    word_recall,
)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("The cat saw the dog.", 1.0),
        ("the CAT saw dog.", 1.0),
        ("the cat", 0.5),
        ("the cat saw the dog", 0.75),  # "dog" is not "dog."
        ("", 0.0),
        ("cats", 0.0),
    ],
)
def test_document_counts_distinct_words(answer, score):
    assert document_score(("The cat saw the dog.",), answer) == score


@pytest.mark.parametrize(
    ("gold", "answer", "score"),
    [
        ("play_all", "It is `play_all`.", 1.0),
        ("play_all", "play_allowed", 1.0),
        ("play_all", "Play_All", 0.0),
        (".play_all.", "play_all", 1.0),
        ("play_all", "play all", 0.0),
    ],
)
def test_code_is_a_substring_with_case(gold, answer, score):
    assert code_score((gold,), answer) == score


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("label: Old mill at Dorn.", 1.0),
        ("OLD MILL AT DORN", 1.0),
        ("Ruin On the Hill", 1.0),
        ("old mill", 0.0),
        ("", 0.0),
    ],
)
def test_database_takes_label_or_description(answer, score):
    assert database_score(("Old mill at Dorn.", "ruin on the hill"), answer) == score


@pytest.mark.parametrize(
    ("gold", "answer", "recall"),
    [
        (("The red cat.",), "a cat, red", 2 / 3),
        (("red", "blue"), "Blue!", 0.5),
        (("北京",), "在北", 0.5),
        (("...",), "...", 0.0),
    ],
)
def test_recall_ignores_case_and_punctuation(gold, answer, recall):
    assert word_recall(gold, answer) == pytest.approx(recall)


def test_of_several_whole_answers_the_best_counts():
    assert best_recall(("Golden Fleece", "Argo"), "the argo") == 1
    assert best_recall(("Golden Fleece", "Argo"), "a fleece") == 0.5


@pytest.mark.parametrize(
    ("gold", "answer", "score"),
    [
        (("Maria Keller.",), "It was signed by  maria\nKELLER, on 3 May.", 1.0),
        (("Maria Keller", "3 May"), "It was signed by Maria Keller.", 0.0),
        (("12",), "In 2012.", 0.0),
        (("12",), "12%", 1.0),
        (("foo_bar()",), "call foo_bar() first", 1.0),
        (("Iran",), "Tirana", 0.0),
        (("甲乙县",), "他是甲乙 县的工匠。", 1.0),
        (("甲乙县。",), "他是甲丙县的工匠。", 0.0),
        (("ＡＢ１",), "ab1", 1.0),
        (("?!",), "really?!", 1.0),
        (("x",), "", 0.0),
    ],
)
def test_every_gold_text_must_be_contained_as_words(gold, answer, score):
    assert all_contained(gold, answer) == score
