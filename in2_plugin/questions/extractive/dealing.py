"""Deal directions, styles and forms to passages.

Invariant: what a passage is dealt depends only on the seed, the passage and the weights, so no counts are kept. Over
many passages, directions come out in the proportion of their weights, and so do styles among passages that have
several.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from in2_plugin.config.writers import names_of, weighed_forms
from in2_plugin.questions.extractive.quoting import Excerpt
from in2_plugin.questions.extractive.registry import FORMS, RECOGNIZERS, QuestionForm
from in2_plugin.questions.question import Kind


def deal(
    excerpt: Excerpt, kind: Kind, weights: Mapping[str, float], rng: np.random.Generator
) -> Sequence[QuestionForm]:
    """Return the forms that a passage may be asked with, in the order to try them.

    The direction is drawn first, then the style among those of the passage, then the form; the other forms follow in
    case that one fails, those of the same direction first.

    Args:
        weights: by name of a direction, style or form; 1 when absent, 0 excludes.
    """
    forms, names = _weighed(kind, frozenset(weights.items()))
    styles = {style for style in {form.style for form, _ in forms} if RECOGNIZERS[style](excerpt)}
    # the smallest of exponential variates is a draw with their weights (Efraimidis and Spirakis, 2006)
    variates = rng.exponential(size=len(names)).tolist()
    waits = {name: wait / weights.get(name, 1) for name, wait in zip(names, variates, strict=True)}
    dealt = sorted(
        ([waits[name] for name in its_names], at) for at, (form, its_names) in enumerate(forms) if form.style in styles
    )
    return [forms[at][0] for _, at in dealt]


@lru_cache(maxsize=16)
def _weighed(
    kind: Kind, weights: frozenset[tuple[str, float]]
) -> tuple[list[tuple[QuestionForm, tuple[str, str, str]]], list[str]]:
    """Return the forms of a kind that are not excluded, each with the names that weigh it, and all names in order."""
    forms = [form for form in FORMS if form.kind is kind]
    kept = [(form, names_of(form)) for form in weighed_forms(forms, dict(weights))]
    return kept, sorted({name for _, names in kept for name in names})
