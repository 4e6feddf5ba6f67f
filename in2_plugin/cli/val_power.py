"""`in2 val power`: state before a run what the probes can show with a number of questions.

Trends that are seen with 30 questions per span are often gone with 500: a Gap of 30 points is chance there.
"""

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from in2_plugin.cli.tables import make_console, make_table
from in2_plugin.cli.terminal import say
from in2_plugin.errors import ConfigError

if TYPE_CHECKING:
    from in2_plugin.probing.scoring.power import Design

POWER_ROWS = (10, 30, 50, 100, 200, 500, 1000)
"""Questions per span in the table of `in2 val power`; all questions at 32K are about 200."""
DEFAULT_CONTEXTS = 4
DEFAULT_PAIRED = 300
"""Questions of a position probe."""


def power(
    questions: Annotated[
        int | None, typer.Option(min=1, help="Questions per span, over all contexts. Default: a table of several.")
    ] = None,
    dip: Annotated[
        float | None, typer.Option(min=0.1, max=100, help="Dip to be shown, in points. Prints the questions needed.")
    ] = None,
    contexts: Annotated[int | None, typer.Option(min=1, help="Number of contexts (probe_sets). Default: 4.")] = None,
    spans: Annotated[int, typer.Option(min=5, help="Spans of a context; 15 for database.")] = 16,
    average: Annotated[float, typer.Option(min=1, max=99, help="Average to expect, in percent. 50: worst case.")] = 50,
    context_deviation: Annotated[
        float | None,
        typer.Option(min=0, max=50, help="Standard deviation of the dip between contexts, in points. Default: 0."),
    ] = None,
    confidence: Annotated[float, typer.Option(min=50, max=99.9, help="Confidence of the interval, in percent.")] = 95,
    chance: Annotated[float, typer.Option("--power", min=50, max=99, help="Chance to show the dip, in percent.")] = 80,
    paired: Annotated[
        bool, typer.Option("--paired", help="Each question is asked at every span, as in position probes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with fractions of one.")] = False,
) -> None:
    """Compute the dip that n questions show, or the n that a dip needs."""
    from in2_plugin.probing.scoring.power import Design

    if questions is not None and dip is not None:
        raise ConfigError("--dip prints the questions that it needs; leave out --questions, or --dip")
    if paired and not (contexts is None and context_deviation is None):
        raise ConfigError("--paired counts questions, not contexts; leave out --contexts and --context-deviation")
    fractions = (value / 100 for value in (average, context_deviation or 0, confidence, chance))
    design = Design(spans, contexts or DEFAULT_CONTEXTS, *fractions)
    if paired:
        _print_paired(questions or DEFAULT_PAIRED, None if dip is None else dip / 100, design, as_json)
        return
    if dip is not None:
        _print_needed(dip, design, as_json)
        return
    rows = [_power_row(per_span, design) for per_span in ([questions] if questions else POWER_ROWS)]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    names = ("questions in all", "dip of one model", "change between two", "gap by chance")
    table = make_table("per span", names)
    for row in rows:
        values = list(row.values())
        table.add_row(f"{values[0]:,}", f"{values[1]:,}", *(f"{100 * value:.1f}" for value in values[2:]))
    make_console().print(table)
    say(
        f"In points: the smallest dip (ends minus middle) that is shown with {confidence:g}% confidence in {chance:g}% "
        f"of runs with {design.contexts} contexts at an average of {average:g}%, and the gap of a model without any "
        "dip. On the same questions, smaller changes are shown. More contexts help more than more questions per "
        "context."
    )


def _print_paired(questions: int, dip: float | None, design: "Design", as_json: bool) -> None:
    from in2_plugin.probing.scoring.power import detectable_paired_dip, paired_questions_needed

    needed = questions if dip is None else paired_questions_needed(dip, design)
    shown = detectable_paired_dip(needed, design) if needed > 1 else math.inf
    too_few = shown >= 1
    answers = needed * design.spans
    if as_json:
        values = {"questions": needed, "depths": design.spans, "answers": answers, "dip": None if too_few else shown}
        typer.echo(json.dumps(values))
        return
    if too_few:
        say(f"with {needed:,} questions, each at {design.spans} depths, no dip would be seen: too few; ask more")
        return
    say(
        f"with {needed:,} questions, each at {design.spans} depths ({answers:,} answers), a dip of "
        f"{100 * shown:.1f} points would be seen in {100 * design.power:g}% of runs at an average of "
        f"{100 * design.score:g}%; a smaller one where some questions are hard at every depth"
    )


def _power_row(per_span: int, design: "Design") -> dict[str, float]:
    from in2_plugin.probing.scoring.power import detectable_dip, gap_by_chance

    return {
        "questions_per_span": per_span,
        "questions": per_span * design.spans,
        "dip": min(1.0, detectable_dip(per_span, design)),
        "change": min(1.0, detectable_dip(per_span, design, models=2)),
        "gap_by_chance": gap_by_chance(per_span, design),
    }


def _print_needed(dip: float, design: "Design", as_json: bool) -> None:
    from in2_plugin.probing.scoring.power import questions_needed

    one, two = (questions_needed(dip / 100, design, models) for models in (1, 2))
    if as_json:
        typer.echo(json.dumps({"dip": dip / 100, "questions_per_span": one, "questions_per_span_change": two}))
        return
    for what, needed in (("in one model", one), ("as a change between two models", two)):
        if needed is None:
            say(f"no number of questions shows {dip:g} points {what}: the contexts differ too much; use more contexts")
            continue
        total = needed * design.spans
        each = -(-total // design.contexts)
        say(
            f"{dip:g} points {what}: {needed:,} questions per span, {total:,} in all, {each:,} per context "
            f"(`probe_questions: {each}`)"
        )
