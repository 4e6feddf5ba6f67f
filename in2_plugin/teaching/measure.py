"""Measure a teacher: exact answers with the gold alone and with the whole context, and how far the two are apart.

An answer is exact if every token is the likeliest one after the question and the right tokens before it (teacher
forcing). Cost: `gold_answers` reads the stored scores, about 0.1 ms per question; `compare` is one forward pass over
each whole context.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from in2_plugin.config import LONG_PARTS, PARTS
from in2_plugin.dataset.plans import Plans
from in2_plugin.teaching.score import LOGIT_ROWS, HFTeacher
from in2_plugin.teaching.store import TeacherStore

SEED = 23_082_715


@dataclass(frozen=True, slots=True)
class GoldAnswer:
    """One question, answered from its gold segments alone."""

    example: int
    part: str
    depth: float
    """Depth of the gold in the whole context, in [0, 1); NaN without a single place."""
    n_tokens: int
    """Answer tokens."""
    exact: bool
    covered: float
    """Mean over the answer tokens of the probability that the stored tokens have together."""


@dataclass(frozen=True, slots=True)
class ContextComparison:
    """The same question with the gold alone and with the whole context."""

    example: int
    depth: float
    n_tokens: int
    gold_exact: bool
    whole_exact: bool
    gold_nats: float
    """Mean loss of the answer tokens, in nats."""
    whole_nats: float
    kl: float
    """Mean over the answer tokens of KL(gold alone || whole context), in nats, over the whole vocabulary."""


def gold_answers(plans: Plans, store: TeacherStore) -> Iterator[GoldAnswer]:
    """Yield every question of a dataset, scored from the stored likeliest tokens."""
    for example in range(len(store.rows)):
        ids, logprobs = store.of(example)
        covered = -np.expm1(logprobs[:, -1])
        part, begin = PARTS[plans.part[example]], 0
        for row, (_, _, depth) in zip(store.rows.of(example), plans.answers(example).tolist(), strict=True):
            answer = row.ids[row.answer]
            end = begin + len(answer)
            exact = bool((ids[begin:end, 0] == answer).all())
            yield GoldAnswer(example, part, depth, len(answer), exact, float(covered[begin:end].mean()))
            begin = end


def sampled_examples(plans: Plans, n: int) -> list[int]:
    """Return the numbers of `n` random examples with a long context, or of all of them if there are fewer."""
    long = np.flatnonzero(np.isin(plans.part, [PARTS.index(part) for part in LONG_PARTS]))
    return sorted(np.random.default_rng(SEED).permutation(long)[:n].tolist())


def require_contexts_fit(teacher: HFTeacher, plans: Plans, examples: Sequence[int]) -> None:
    """Raise unless the contexts of these examples fit the window of a model.

    Raises:
        ConfigError: one is longer.
    """
    teacher.require_window(max((int(plans.n_tokens[example]) for example in examples), default=0))


def compare(
    teacher: HFTeacher, plans: Plans, store: TeacherStore, examples: Sequence[int],
    step: Callable[[int], None] = lambda _: None,
) -> list[ContextComparison]:  # fmt: skip
    """Return every question of these examples, answered with the gold alone and with the whole context.

    As in training, a later question of a context is read after the earlier ones and their answers. The contexts must
    fit the window of the model.
    """
    found: list[ContextComparison] = []
    for example in examples:
        found += _compared(teacher, plans, store, example)
        step(1)
    return found


def _compared(teacher: HFTeacher, plans: Plans, store: TeacherStore, example: int) -> Iterator[ContextComparison]:
    ids, _ = plans.assemble(example)
    answers = plans.answers(example).tolist()
    positions = np.concatenate([np.arange(start - 1, stop - 1) for start, stop, _ in answers])
    whole = teacher.logits([ids], [positions])
    begin = 0
    for row, (start, stop, depth) in zip(store.rows.of(example), answers, strict=True):
        gold = teacher.logits([row.ids], [np.arange(row.answer.start - 1, row.answer.stop - 1)])
        end = begin + stop - start
        target = torch.from_numpy(ids[start:stop]).to(gold.device)
        yield ContextComparison(example, depth, stop - start, *_figures(gold, whole[begin:end].to(gold.device), target))
        begin = end


def _figures(gold: Tensor, whole: Tensor, target: Tensor) -> tuple[bool, bool, float, float, float]:
    """Return exactness and mean nats with the gold alone and the whole context, in pairs, and their mean KL."""
    exact = [bool((logits.argmax(-1) == target).all()) for logits in (gold, whole)]
    sums = torch.zeros(3, dtype=torch.float64)
    chunks = (each.split(LOGIT_ROWS) for each in (gold, whole, target))
    for one, other, wanted in zip(*chunks, strict=True):
        p, q = one.float().log_softmax(-1), other.float().log_softmax(-1)
        nats = [-each.gather(1, wanted[:, None]).sum() for each in (p, q)]
        terms = torch.where(p > -torch.inf, p.exp() * (p - q), 0.0)  # a model may rule tokens out
        sums += torch.stack([*nats, terms.sum()]).double().cpu()
    gold_nats, whole_nats, kl = (sums / len(target)).tolist()
    return exact[0], exact[1], gold_nats, whole_nats, kl
