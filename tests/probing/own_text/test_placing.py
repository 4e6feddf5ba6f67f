"""Golds change places between the contexts of a group; everything else stays."""

from collections import Counter

import numpy as np
import pytest

from in2_plugin.probing.own_text.placing import QuestionGolds, lay_out

FILLERS = [(1000 + i, 90 + 7 * (i % 9)) for i in range(60)]


def laid_out(golds, n_depths=5, fillers=FILLERS, **given):
    return lay_out(golds, fillers, n_depths, np.random.default_rng(0), **given)


def test_each_question_is_once_in_each_part_and_its_middle_is_there():
    golds = [QuestionGolds(((i, 100 + 10 * i),)) for i in range(10)]
    contexts = laid_out(golds)
    assert len(contexts) == 5
    for question in range(10):
        assert sorted(context.parts[question] for context in contexts) == [0, 1, 2, 3, 4]
    for context in contexts:
        assert Counter(context.parts) == dict.fromkeys(range(5), 2)
        assert [int(5 * depths[0]) for depths in context.gold_depths] == list(context.parts)


def test_the_fillers_have_one_order_in_all_contexts():
    contexts = laid_out([QuestionGolds(((i, 120),)) for i in range(5)])
    assert len({tuple(i for i in context.segment_ids if i >= 1000) for context in contexts}) == 1
    assert all(sorted(context.segment_ids) == sorted([*range(5), *(i for i, _ in FILLERS)]) for context in contexts)


@pytest.mark.parametrize("apart", range(5))
def test_two_golds_are_as_far_apart_as_dealt(apart):
    contexts = laid_out([QuestionGolds(((0, 150), (1, 90)), apart)])
    found = {tuple(int(5 * depth) for depth in context.gold_depths[0]) for context in contexts}
    assert found == {(part, (part + apart) % 5) for part in range(5)}


def test_nothing_is_laid_out_when_a_gold_is_longer_than_two_parts():
    assert laid_out([QuestionGolds(((0, 900),))], fillers=FILLERS[:4]) == ()


def test_a_second_gold_may_be_astray_only_when_that_is_allowed():
    golds, fillers = [QuestionGolds(((0, 150), (1, 150)))], [(1000 + i, 120) for i in range(5)]
    assert laid_out(golds, fillers=fillers) == ()
    contexts = laid_out(golds, fillers=fillers, allows_astray=True)
    assert [int(5 * context.gold_depths[0][0]) for context in contexts] == [context.parts[0] for context in contexts]
    assert any(context.astray for context in contexts)
