"""Make multiple-choice items by rule: arithmetic, ordering, spelling. A check that training does not harm short tasks.

`lm_eval_tasks/evidence_choices.yaml` names `load`. Items depend on SEED and COUNT alone. Choices of an item are of one
kind and similar length, so that likelihoods are comparable.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from datasets import Dataset

TASK = "evidence_choices"
COUNT, SEED, CHOICES = 200, 22, 4
WORDS = (
    "anchor", "basket", "candle", "desert", "engine", "forest", "garden", "hammer", "island", "jacket", "kettle",
    "ladder", "marble", "needle", "orange", "pepper", "quarry", "ribbon", "saddle", "tunnel", "valley", "window",
)  # fmt: skip
NAMES = ("Ana", "Ben", "Cleo", "Dev", "Ela", "Finn", "Gia", "Hugo")

Item = dict[str, Any]
Draft = tuple[str, str, list[str]]
"""Question, right choice, wrong choices."""


def load(**_: Any) -> dict[str, Dataset]:
    """Return the items as a split of lm_eval: `question`, `choices`, and `answer`, the number of the right one."""
    return {"test": Dataset.from_list(items(COUNT, SEED))}


def items(count: int, seed: int) -> list[Item]:
    """Return different items, the three rules in turn; the right choice is at every place equally often."""
    rng = np.random.default_rng(seed)
    found: dict[str, Item] = {}
    while len(found) < count:
        question, right, wrong = RULES[len(found) % len(RULES)](rng)
        place = len(found) // len(RULES) % CHOICES
        choices = [*wrong[:place], right, *wrong[place:]]
        found.setdefault(question, {"question": question, "choices": choices, "answer": place})
    return list(found.values())


def _arithmetic(rng: np.random.Generator) -> Draft:
    a, b = (int(n) for n in rng.integers(11, 90, 2))
    if rng.random() < 0.5:
        question, right = f"What is {a} plus {b}?", a + b
    else:
        a, b = max(a, b), min(a, b)
        question, right = f"What is {a} minus {b}?", a - b
    near = rng.permutation([right + d for d in (-11, -10, -2, -1, 1, 2, 10, 11) if right + d >= 0])
    return question, str(right), [str(n) for n in near[: CHOICES - 1]]


def _ordering(rng: np.random.Generator) -> Draft:
    names = [NAMES[i] for i in rng.permutation(len(NAMES))[:CHOICES]]
    links = [f"{a} is taller than {b}." for a, b in pairwise(names)]
    told = " ".join(links[i] for i in rng.permutation(len(links)))
    tallest = rng.random() < 0.5
    right = names[0] if tallest else names[-1]
    wrong = [name for name in names if name != right]
    return f"{told} Who is the {'tallest' if tallest else 'shortest'}?", right, wrong


def _spelling(rng: np.random.Generator) -> Draft:
    chosen = [WORDS[i] for i in rng.permutation(len(WORDS))[:CHOICES]]
    place = int(rng.integers(0, 3))
    letter = chosen[0][place]
    others = [word for word in WORDS if word[place] != letter]
    wrong = [others[i] for i in rng.permutation(len(others))[: CHOICES - 1]]
    order = ("first", "second", "third")[place]
    listed = _listed(chosen[0], wrong, rng)
    return f'Which of these words has "{letter}" as its {order} letter: {listed}?', chosen[0], wrong


def _listed(right: str, wrong: list[str], rng: np.random.Generator) -> str:
    words = [right, *wrong]
    return ", ".join(words[i] for i in rng.permutation(len(words)))


RULES: tuple[Callable[[np.random.Generator], Draft], ...] = (_arithmetic, _ordering, _spelling)
