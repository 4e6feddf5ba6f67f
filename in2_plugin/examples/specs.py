"""Distribute questions over examples: parts in random order, one or several questions per context.

Invariant: every question and conversation is in exactly one order, and the orders depend only on them and the random
generator. Memory: about 10 bytes per question; questions are read one by one.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from in2_plugin.examples.planner import GENERAL, ContextOrder, Conversation, Order
from in2_plugin.examples.positions import Dealer, Draw
from in2_plugin.questions import Part, Question

MAX_DEFERRED = 64
"""Maximum number of questions deferred because they cannot share the current context."""
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
    """Yield the orders of all examples of a dataset.

    Args:
        questions: read by number.
        numbers: numbers of the questions to use, by part.
        conversations: read by number, like questions; the first `n_conversations` are used.
        per_context: maximum number of questions per long context.
        go_together: returns True if a question may share a context with others.
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
    for source in sources.values():  # incomplete groups increase the number of groups
        yield from source


def _next(source: Iterator[tuple[Question, ...] | Conversation]) -> Iterator[tuple[Question, ...] | Conversation]:
    item = next(source, None)
    if item is not None:
        yield item


def grouped(questions: Iterator[Question], size: int, go_together: GoTogether) -> Iterator[tuple[Question, ...]]:
    """Yield questions in groups of `size`, in order if possible; smaller groups if no others fit."""
    if size == 1:
        yield from ((question,) for question in questions)
        return
    waiting: deque[Question] = deque()
    while first := waiting.popleft() if waiting else next(questions, None):
        group = [first]
        deferred: deque[Question] = deque()
        while len(group) < size and len(deferred) < MAX_DEFERRED:
            another = waiting.popleft() if waiting else next(questions, None)
            if another is None:
                break
            (group if go_together(group, another) else deferred).append(another)
        waiting.extendleft(reversed(deferred))
        yield tuple(group)
