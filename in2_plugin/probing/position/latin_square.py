"""Deal questions to depths so that every question is asked at every depth and every context asks every question.

A block of questions has as many contexts as there are depths. In context r, question q is at depth (q + r) modulo the
number of depths: a Latin square. Invariant: of two questions of a block, none is at the same depth of one context more
often than the other, so depths are compared on the same questions. Pure functions, linear in their output.
"""

from collections.abc import Sequence

from in2_plugin.errors import ProbeError


def latin_square(n_questions: int, n_depths: int) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Return the questions of one block by context and depth: `[context][depth]` lists those with their gold there.

    Args:
        n_questions: questions of the block, numbered from 0. With a multiple of `n_depths`, every depth of every
            context has the same number of golds.
        n_depths: depths, and so contexts; from 1.

    Raises:
        ProbeError: there is no depth.
    """
    if n_depths < 1:
        raise ProbeError(f"{n_depths} depths; ask at 1 or more")
    return tuple(
        tuple(tuple(range((depth - context) % n_depths, n_questions, n_depths)) for depth in range(n_depths))
        for context in range(n_depths)
    )


def question_blocks(n_questions: int, n_depths: int, per_depth: int) -> Sequence[range]:
    """Return the question numbers of each block: `n_depths` x `per_depth` in each, fewer in the last one.

    Raises:
        ProbeError: a block would be empty.
    """
    size = n_depths * per_depth
    if size < 1:
        raise ProbeError(f"{per_depth} questions at each of {n_depths} depths; ask at least one at one depth")
    return [range(start, min(start + size, n_questions)) for start in range(0, n_questions, size)]
