"""Count questions by the style and the direction of their forms, and say it in one line. Invented records are a style.

Invariant: a style that could have been asked about and was not is part of the counts, with zero.
"""

from collections.abc import Mapping

from in2_plugin.config import QuestionsConfig
from in2_plugin.questions.records.wording import RECORD_FORMS

Counts = Mapping[str, Mapping[str, int]]
"""By style, then by direction."""
RECORDS = "records"
NOUNS = {"structured": "structured text"}


def form_counts(questions: Mapping[str, int], config: QuestionsConfig) -> dict[str, dict[str, int]]:
    """Return the number of questions by style and direction; empty if none has a form of a writer of ours.

    Args:
        questions: number of questions by name of the form.
    """
    counts: dict[str, dict[str, int]] = {}
    wanted = config.weighed_forms
    for form in config.writer_spec.forms():
        if form in wanted or questions.get(form.name):
            of_style = counts.setdefault(str(form.style), {})
            direction = str(form.direction)
            of_style[direction] = of_style.get(direction, 0) + questions.get(form.name, 0)
    counts = counts if any(sum(of_style.values()) for of_style in counts.values()) else {}
    for name, direction in RECORD_FORMS.items():
        if n := questions.get(name, 0):
            records = counts.setdefault(RECORDS, {})
            records[direction] = records.get(direction, 0) + n
    return counts


def form_line(counts: Counts) -> str:
    """Return the counts in one line, and in words which styles have no questions; empty without counts."""
    sums = {style: sum(of_style.values()) for style, of_style in counts.items()}
    have = [f"{style} {n:,} ({_directions(counts[style])})" for style, n in sums.items() if n]
    lack = [f"no questions about {NOUNS.get(style, style)}" for style, n in sums.items() if not n]
    return "; ".join([", ".join(have), *lack] if have else lack)


def _directions(of_style: Mapping[str, int]) -> str:
    return ", ".join(f"{direction} {n:,}" for direction, n in of_style.items())
