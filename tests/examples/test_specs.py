"""Every question and conversation is in exactly one example."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from in2_plugin.config import Positions
from in2_plugin.examples.planner import ContextOrder, Conversation
from in2_plugin.examples.positions import Dealer
from in2_plugin.examples.specs import MAX_DEFERRED, grouped, orders
from in2_plugin.questions import Kind, Part, Question


def question(number, kind=Kind.FINE_GRAINED, **changes) -> Question:
    return Question(kind, "f", f"Q{number}", "a", number, (number,), (number,), (), "test", **changes)


def made(counts, per_context, go_together=lambda group, another: True, seed=0):
    fine, integration, short, general = counts
    questions = [
        *(question(i) for i in range(fine)),
        *(question(i, Kind.INTEGRATION) for i in range(fine, fine + integration)),
        *(question(i, short_context=True) for i in range(fine + integration, fine + integration + short)),
    ]
    numbers = {part: np.array([i for i, q in enumerate(questions) if q.part is part], int) for part in Part}
    conversations = [Conversation(str(i), (("q", "a"),)) for i in range(general)]
    rng = np.random.default_rng(seed)
    dealer = Dealer(Positions(), rng)
    return list(orders(questions, numbers, conversations, general, per_context, go_together, dealer, rng))


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 30)] * 4), st.integers(1, 5), st.integers(0, 9), st.integers(1, 4))
def test_no_question_is_lost_or_duplicated(counts, per_context, seed, picky):
    planned = made(counts, per_context, lambda group, another: (another.document + len(group)) % picky == 0, seed)
    asked = sorted(q.question for order in planned if isinstance(order, ContextOrder) for q in order.questions)
    assert asked == sorted(f"Q{i}" for i in range(sum(counts[:3])))
    assert sorted(o.source for o in planned if isinstance(o, Conversation)) == sorted(map(str, range(counts[3])))
    for order in planned:
        if isinstance(order, ContextOrder):
            assert len({q.part for q in order.questions}) == 1
            assert len(order.questions) <= (1 if order.questions[0].short_context else per_context)


def test_groups_are_full_if_all_questions_fit():
    planned = made((40, 8, 3, 0), 4)
    sizes = sorted(len(order.questions) for order in planned)
    assert sizes == [1, 1, 1, *[4] * 12]
    assert all(len(order.draw.places) == 4 for order in planned if len(order.questions) == 4)


def test_parts_are_mixed_by_the_seed():
    planned = made((50, 50, 50, 50), 1)
    parts = [o.questions[0].part if isinstance(o, ContextOrder) else "general" for o in planned]
    halves = [{part: half.count(part) for part in set(parts)} for half in (parts[:100], parts[100:])]
    assert all(10 <= count <= 40 for half in halves for count in half.values())
    assert planned == made((50, 50, 50, 50), 1)
    assert planned != made((50, 50, 50, 50), 1, seed=1)


def test_numbers_of_orders_differ():
    planned = made((30, 5, 5, 9), 2)
    numbers = [order.number for order in planned if isinstance(order, ContextOrder)]
    assert len(set(numbers)) == len(numbers)


def test_a_question_that_fits_no_group_is_deferred_but_not_lost():
    loner = question(0)
    others = [question(i) for i in range(1, 3 * MAX_DEFERRED)]
    groups = list(grouped(iter([loner, *others]), 2, lambda group, one: loner not in group and one != loner))
    assert groups[0] == (loner,)
    assert sum(map(len, groups)) == 3 * MAX_DEFERRED and {len(group) for group in groups[1:-1]} == {2}
