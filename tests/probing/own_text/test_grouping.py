"""Questions that share a context do not answer each other and leave enough fillers."""

from types import SimpleNamespace

import numpy as np
import pytest

from in2_plugin.examples.fillers import FillerPool
from in2_plugin.probing.own_text.grouping import Neighbours, group
from in2_plugin.probing.own_text.tables import DepthQuestion

N = 40


@pytest.fixture
def neighbours():
    """Twenty documents of two segments, each with its number; the last one repeats the first."""
    texts = [f"Fact {i} of document {i // 2}." for i in range(N)]
    n_tokens, document = np.full(N, 100, np.uint32), np.arange(N, dtype=np.uint32) // 2
    store = SimpleNamespace(n_tokens=n_tokens, document=document, repeats_in_use={39: 0}, text=texts.__getitem__)
    return Neighbours(store, FillerPool.of(np.ones(N, bool), n_tokens, document, range(N)))


def ask(number, segment, gold="nothing of the kind", exclusive=()):
    return DepthQuestion(number, "fine_grained", "?", (gold,), segment // 2, (segment,), exclusive)


def numbers(groups):
    return [[question.number for question in one] for one in groups]


def test_groups_are_filled_in_order(neighbours):
    questions = [ask(i, 2 * i) for i in range(5)]
    assert numbers(group(questions, neighbours, 1_000, 2)) == [[0, 1], [2, 3], [4]]
    assert numbers(group(questions, neighbours, 1_000, 10)) == [[0, 1, 2, 3, 4]]


def test_golds_take_at_most_half_of_a_context(neighbours):
    assert numbers(group([ask(i, 2 * i) for i in range(5)], neighbours, 400, 10)) == [[0, 1], [2, 3], [4]]


def test_questions_of_one_document_do_not_share_a_context(neighbours):
    assert numbers(group([ask(0, 4), ask(1, 5)], neighbours, 1_000, 10)) == [[0], [1]]


@pytest.mark.parametrize("leak", [{"gold": "Fact 8"}, {"exclusive": ("of document 4.",)}])
def test_a_gold_that_answers_another_question_is_elsewhere(neighbours, leak):
    assert numbers(group([ask(0, 4, **leak), ask(1, 8)], neighbours, 1_000, 10)) == [[0], [1]]
    assert numbers(group([ask(0, 8), ask(1, 4, **leak)], neighbours, 1_000, 10)) == [[0], [1]]


def test_a_group_leaves_enough_text_beside_it(neighbours):
    # 40 segments of 100 tokens, less two of each document and two long ones
    assert neighbours.free_tokens([ask(0, 4)]) == 3_600
    assert numbers(group([ask(i, 2 * i + 2) for i in range(6)], neighbours, 3_000, 10)) == [[0, 1, 2, 3], [4, 5]]


@pytest.mark.parametrize("gold", ["Fact 8\nof document", "FACT\u00a08", "\uff26act 8"])
def test_an_answer_is_found_in_every_form_that_the_score_accepts(neighbours, gold):
    assert neighbours.ban([ask(0, 4, gold=gold)])(8)


def test_an_answer_that_a_line_break_divides_is_found(neighbours):
    neighbours.store.text = lambda i: "Fact\n8" if i == 8 else "\u4e5d\u70b9\n\u949f" if i == 9 else "-"
    broken = Neighbours(neighbours.store, neighbours.pool)
    assert broken.ban([ask(0, 4, gold="Fact 8")])(8)
    assert broken.ban([ask(0, 4, exclusive=("fact 8",))])(8)
    assert broken.ban([ask(0, 4, gold="\u70b9\u949f")])(9)


def test_a_segment_that_repeats_a_gold_is_banned(neighbours):
    ban = neighbours.ban([ask(0, 0)])
    assert ban(39) and ban(0) and not ban(38)


def test_the_share_of_segments_with_the_answer(neighbours):
    assert neighbours.banned_share(ask(0, 4)) == 0.0
    assert neighbours.banned_share(ask(0, 4, gold="fact")) == 1.0
    assert neighbours.banned_share(ask(0, 4, gold="document 7")) == pytest.approx(2 / 38)
