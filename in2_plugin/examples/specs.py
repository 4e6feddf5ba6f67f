"""Which examples there are and in which order: parts mixed at random, several questions to a context where asked for.

Invariant: every question and conversation is in exactly one order, and the orders depend on them and the generator
alone. Memory: about 10 bytes a question; questions are read one by one.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from in2_plugin.examples.planner import GENERAL, ContextOrder, Conversation, Order
from in2_plugin.examples.positions import Dealer, Draw
from in2_plugin.questions import Part, Question

WAITING = 64
"""Questions that wait for a context whose other questions go together with them, at most."""
NOWHERE = Draw(0.0, ())
Numbers = npt.NDArray[np.int64]
GoTogether = Callable[[Sequence[Question], Question], bool]


def orders(
    questions: Sequence[Question],
    numbers: Mapping[Part, Numbers],
    conversations: Sequence[Conversation],
    n_conversations: int,
    per_context: int,
    go_together: GoTogether,
    dealer: Dealer,
    rng: np.random.Generator,
) -> Iterator[Order]:
    """All examples of a dataset, in its order.

    Args:
        questions: read by number.
        numbers: the numbers of the questions of each part that are to be used.
        conversations: read by number, like questions; the first `n_conversations` are used.
        per_context: questions of long parts in one context, at most.
        go_together: whether a question may share a context with others.
    """
    sources: dict[str, Iterator[tuple[Question, ...] | Conversation]] = {}
    labels: list[str] = []
    for part, chosen in numbers.items():
        size = 1 if part is Part.SHORT_CONTEXT else per_context
        shuffled = (questions[i] for i in rng.permutation(chosen).tolist())
        sources[part] = grouped(shuffled, size, go_together)
        labels += [part] * -(-len(chosen) // size)
    sources[GENERAL] = (conversations[i] for i in range(n_conversations))
    labels += [GENERAL] * n_conversations
    for number, item in enumerate(_drawn(labels, sources, rng)):
        if isinstance(item, Conversation):
            yield item
        else:
            golds = sum(len(question.gold) for question in item)
            yield ContextOrder(number, item, NOWHERE if item[0].short_context else dealer.deal(golds))


def _drawn(
    labels: Sequence[str],
    sources: Mapping[str, Iterator[tuple[Question, ...] | Conversation]],
    rng: np.random.Generator,
) -> Iterator[tuple[Question, ...] | Conversation]:
    names = list(sources)
    places = np.array([names.index(label) for label in labels], np.uint8)
    for place in rng.permutation(places).tolist():
        yield from _next(sources[names[place]])
    for source in sources.values():  # groups that came out smaller than they could be are more of them
        yield from source


def _next(source: Iterator[tuple[Question, ...] | Conversation]) -> Iterator[tuple[Question, ...] | Conversation]:
    item = next(source, None)
    if item is not None:
        yield item


def grouped(questions: Iterator[Question], size: int, go_together: GoTogether) -> Iterator[tuple[Question, ...]]:
    """Questions in groups of `size`, each as far as possible in order; smaller ones where no more go together."""
    if size == 1:
        yield from ((question,) for question in questions)
        return
    waiting: deque[Question] = deque()
    while first := waiting.popleft() if waiting else next(questions, None):
        group = [first]
        passed_over: deque[Question] = deque()
        while len(group) < size and len(passed_over) < WAITING:
            another = waiting.popleft() if waiting else next(questions, None)
            if another is None:
                break
            (group if go_together(group, another) else passed_over).append(another)
        waiting.extendleft(reversed(passed_over))
        yield tuple(group)
