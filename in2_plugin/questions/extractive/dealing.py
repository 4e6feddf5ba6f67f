"""Deal directions, styles and forms to passages.

Invariant: what a passage is dealt depends only on the seed, the passage and the weights, so no counts are kept. Over
many passages, directions come out in the proportion of their weights, and so do styles among passages that have
several.
"""

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache

import numpy as np

from in2_plugin.config.writers import names_of, weighed_forms
from in2_plugin.questions.extractive.quoting import Excerpt
from in2_plugin.questions.extractive.registry import FORMS, RECOGNIZERS, QuestionForm
from in2_plugin.questions.question import Kind


def deal(
    excerpt: Excerpt, kind: Kind, weights: Mapping[str, float], rng: np.random.Generator
) -> Iterator[QuestionForm]:
    """Yield the forms that a passage may be asked with, in the order to try them.

    The direction is drawn first, then the style among those of the passage, then the form; the other forms follow in
    case that one fails, those of the same direction first. A style is looked for when its first form is next.

    Args:
        weights: by name of a direction, style or form; 1 when absent, 0 excludes.
    """
    forms, names = _weighed(kind, frozenset(weights.items()))
    # the smallest of exponential variates is a draw with their weights (Efraimidis and Spirakis, 2006)
    variates = rng.exponential(size=len(names)).tolist()
    waits = {name: wait / weights.get(name, 1) for name, wait in zip(names, variates, strict=True)}
    dealt = sorted(([waits[name] for name in its_names], at) for at, (_, its_names) in enumerate(forms))
    has_style = cache(lambda style: RECOGNIZERS[style](excerpt))
    return (form for form in (forms[at][0] for _, at in dealt) if has_style(form.style))


@lru_cache(maxsize=16)
def _weighed(
    kind: Kind, weights: frozenset[tuple[str, float]]
) -> tuple[list[tuple[QuestionForm, tuple[str, str, str]]], list[str]]:
    """Return the forms of a kind that are not excluded, each with the names that weigh it, and all names in order."""
    forms = [form for form in FORMS if form.kind is kind]
    kept = [(form, names_of(form)) for form in weighed_forms(forms, dict(weights))]
    return kept, sorted({name for _, names in kept for name in names})
