"""Deal directions, styles and forms to passages.

Invariant: what a passage is dealt depends only on the seed, the passage and the weights, so no counts are kept. Over
many passages, directions come out in the proportion of their weights, and so do styles among passages that have
several.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from in2_plugin.questions.extractive.form import Form
from in2_plugin.questions.extractive.quoting import Excerpt
from in2_plugin.questions.extractive.registry import FORMS, RECOGNIZERS
from in2_plugin.questions.question import Kind


def names_of(form: Form) -> tuple[str, str, str]:
    """Return the names that weigh a form, in the order in which they are drawn."""
    return form.direction, form.style, form.name


def deal(excerpt: Excerpt, kind: Kind, weights: Mapping[str, float], rng: np.random.Generator) -> Sequence[Form]:
    """Return the forms that a passage may be asked with, in the order to try them.

    The direction is drawn first, then the style among those of the passage, then the form; the other forms follow in
    case that one fails, those of the same direction first.

    Args:
        weights: by name of a direction, style or form; 1 when absent, 0 excludes.
    """
    forms = [form for form in FORMS if form.kind is kind and all(weights.get(name, 1) for name in names_of(form))]
    styles = {style for style in {form.style for form in forms} if RECOGNIZERS[style](excerpt)}
    # the smallest of exponential variates is a draw with their weights (Efraimidis and Spirakis, 2006)
    names = sorted({name for form in forms for name in names_of(form)})
    waits = {name: rng.exponential() / weights.get(name, 1) for name in names}
    return sorted((form for form in forms if form.style in styles), key=lambda form: [waits[n] for n in names_of(form)])
