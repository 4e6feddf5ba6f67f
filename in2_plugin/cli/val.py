"""`in2 val write` and `in2 val score`: run the probes without lm_eval, through files for any inference engine.

`write` produces prompts and gold rows; `score` reads the predictions that an engine made from the prompts. `power` is
in `val_power.py`.
"""

import json
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from in2_plugin.cli.groups import CommandGroup
from in2_plugin.cli.tables import make_console, make_table
from in2_plugin.cli.terminal import say
from in2_plugin.cli.val_power import power

if TYPE_CHECKING:
    from rich.table import Table

    from in2_plugin.probing.offline.scoring import OfflineScore
    from in2_plugin.probing.probes.probe import Probe
    from in2_plugin.probing.scoring.dip import PositionEstimate

SEED = 240_416_811
"""Seed of the bootstrap: the same answers give the same intervals."""

val = typer.Typer(
    cls=CommandGroup, help="Write VAL probes as files, and score any engine's answers.", no_args_is_help=True
)
val.command()(power)


class WrittenTemplate(StrEnum):
    """The templates that can wrap context and question."""

    PLAIN = "plain"
    FILM = "film"
    CHAT = "chat"


class ThoughtsInAnswers(StrEnum):
    """The values of `probing.scoring.thoughts.GivenThoughts`."""

    AUTO = "auto"
    OPENED = "opened"
    CLOSED = "closed"
    SCORED = "scored"


class WrittenForm(StrEnum):
    """The values of `probing.offline.write.Form`, which takes long to import."""

    PROMPTS = "prompts"
    MESSAGES = "messages"
    BATCH = "batch"


def _tokens(text: str) -> int:
    """Parse a length like `32K` or `32768`."""
    found = re.fullmatch(r"(\d+)([kK]?)", text.strip())
    if not found:
        raise typer.BadParameter(f"give a length like 32K or 32768, not `{text}`")
    return int(found[1]) * (1_024 if found[2] else 1)


Task = Annotated[str, typer.Option(help="document, code, database, or a matrix task like matrix_code_forward.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to write; must not exist.")]
TokenizerName = Annotated[str | None, typer.Option(help="Tokenizer of the model to evaluate: folder or hub name.")]
Length = Annotated[
    int | None,
    typer.Option(parser=_tokens, metavar="TOKENS", help="Maximum tokens of prompt plus answer. Default: 32K"),
]
Sets = Annotated[int | None, typer.Option(min=1, help="Number of contexts, each with its own items. Default: 4.")]
Questions = Annotated[int | None, typer.Option(min=1, help="Questions per context. Default: one per item.")]
Seed = Annotated[int | None, typer.Option(help="Random seed for drawing items. Default: 0.")]
Pieces = Annotated[
    Path | None, typer.Option(help="Folder of items, like VaLProbing/pieces of microsoft/FILM. Default: ours.")
]
TemplateName = Annotated[
    WrittenTemplate, typer.Option(help="film: FILM's [INST] tags. chat: the tokenizer's chat template. plain: neither.")
]
FormName = Annotated[
    WrittenForm,
    typer.Option("--format", help="Plain prompts, chat messages, or requests for OpenAI's Batch API."),
]
Model = Annotated[str | None, typer.Option(help="Model name for the API, with --format batch.")]
Paper = Annotated[
    str | None,
    typer.Option(metavar="DATA", help="Use the authors' questions: In2Training/VaLProbing-32K, or a local copy."),
]


@val.command()
def write(
    task: Task,
    output: Output,
    tokenizer: TokenizerName = None,
    length: Length = None,
    sets: Sets = None,
    questions: Questions = None,
    seed: Seed = None,
    pieces: Pieces = None,
    template: TemplateName = WrittenTemplate.PLAIN,
    form: FormName = WrittenForm.PROMPTS,
    model: Model = None,
    paper: Paper = None,
) -> None:
    """Write the prompts and gold rows of one probe as JSON lines.

    Rows of prompts.jsonl: `id`, `set_id`, `position_id` and `prompt`. With --format messages, messages.jsonl has
    `messages` instead; with --format batch, batch-001.jsonl and following have requests of the Batch API.

    Rows of gold.jsonl, for `in2 val score`: `id`, `set_id`, `position_id`, `n_positions`, `query`, and the answer:
    `completion` (document, code), `label` and `description` (database), or a list `gold` (matrix tasks).
    """
    from in2_plugin.errors import ConfigError
    from in2_plugin.probing.offline.sources import offline_built, offline_published
    from in2_plugin.probing.offline.write import Form, write_probe
    from in2_plugin.probing.probes.options import ProbeOptions

    definition = _probe(task)
    given = {"length": length, "sets": sets, "questions": questions, "seed": seed, "pieces": pieces and str(pieces)}
    building = {f"probe_{name}": value for name, value in given.items() if value is not None}
    if paper is not None:
        _refuse_building(definition, building)
        probe = offline_published(definition, paper, template.value, tokenizer)
    elif tokenizer is None:
        raise ConfigError("the tokenizer of the model to evaluate is required to count tokens; set --tokenizer")
    else:
        probe = offline_built(definition, ProbeOptions.parse(building, "in2 val write"), tokenizer, template.value)
    written = write_probe(probe, output, Form(form.value), model)
    how = "wrote" if written.is_new else "already written:"
    say(f"{how} {written.questions:,} questions, {', '.join(written.files)} in {written.folder}")
    if template is WrittenTemplate.CHAT:
        say("note: the prompts contain the chat template's special tokens; do not let the engine add its own")


def _probe(task: str) -> "Probe":
    from in2_plugin.config import nearest
    from in2_plugin.errors import ConfigError
    from in2_plugin.probing.probes.matrix import all_probes

    probes = all_probes()
    if task not in probes:
        near = nearest(task, probes)
        advice = f"did you mean `{near}`?" if near else f"choose from {', '.join(probes)}"
        raise ConfigError(f"unknown task `{task}`; {advice}")
    return probes[task]


def _refuse_building(probe: "Probe", building: dict[str, Any]) -> None:
    from in2_plugin.errors import ConfigError
    from in2_plugin.probing.probes.registry import PROBES

    published = [name for name, known in PROBES.items() if known.paper]
    if building:
        names = ", ".join(f"--{name.removeprefix('probe_')}" for name in building)
        raise ConfigError(f"--paper uses the authors' questions unchanged; remove {names}")
    if probe.name not in published:
        raise ConfigError(f"the authors published {', '.join(published)}, not {probe.name}; remove --paper")


@val.command()
def score(
    task: Task,
    gold: Annotated[Path, typer.Option(help="Gold rows: gold.jsonl from `in2 val write`, or the authors' file.")],
    predictions: Annotated[list[Path], typer.Option(help="File of predictions; repeat for several files.")],
    match_paper: Annotated[
        bool, typer.Option("--match-paper", help="Score as the paper does: 49 of 50 positions, its skip lists.")
    ] = False,
    spans: Annotated[
        int | None, typer.Option(min=2, help="Number of equal spans of a context. Default: 16; 15 for database.")
    ] = None,
    thoughts: Annotated[
        ThoughtsInAnswers,
        typer.Option(
            help="Score what follows a model's thoughts; `opened` if the prompts open one, `closed` if not, `auto` as "
            "the gold rows say. `scored`: the whole text."
        ),
    ] = ThoughtsInAnswers.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with scores from 0 to 1.")] = False,
) -> None:
    """Score predictions by position.

    Rows of --predictions, as JSON lines: `id` and `sample` (the model's text), or `samples` (a list; the first
    counts), or results of the Batch API. Without `id`, they must be in the order of the gold rows.

    Rows of --gold: `set_id`, `position_id`, and the answer: `completion` (document, code), `label` and `description`
    (database), or a list `gold` (matrix tasks). `id`, `n_positions`, `ambiguous` and `opens_thought` may be missing;
    others, like `query`, are ignored.
    """
    import numpy as np

    from in2_plugin.probing.offline.gold import read_gold
    from in2_plugin.probing.offline.predictions import pair, read_predictions
    from in2_plugin.probing.offline.scoring import score_predictions

    definition = _probe(task)
    pairs = pair(read_gold(definition, gold), read_predictions(predictions))
    rng = np.random.default_rng(SEED)
    found = score_predictions(definition, pairs, rng, spans, match_paper, thoughts.value)
    if as_json:
        typer.echo(json.dumps(found.as_json()))
        return
    _print(found)


def _print(found: "OfflineScore") -> None:
    make_console().print(_table(found))
    for note in _notes(found):
        say(note)


def _table(found: "OfflineScore") -> "Table":
    table = make_table(f"{found.task}, %", ("", "95% interval"))
    flat = found.flat_gap
    for name, effect in _effects(found):
        table.add_row(name, _signed(effect.value), _interval(effect.interval, _signed))
    table.add_row("Avg", _percent(found.curve.avg), _interval(found.intervals.avg))
    table.add_row("Gap", _percent(found.curve.gap), _interval(found.intervals.gap))
    table.add_row("Gap of a flat model", _percent(flat.expected), f"95th percentile {_percent(flat.percentile_95)}")
    for index, (value, interval) in enumerate(zip(found.curve.spans, found.intervals.spans, strict=True), start=1):
        table.add_row(f"span {index} of {len(found.curve.spans)}", _percent(value), _interval(interval))
    return table


def _effects(found: "OfflineScore") -> "list[tuple[str, PositionEstimate]]":
    """Return the lines about position, which come first."""
    effect = found.position
    return [("Ends minus middle", effect.dip), ("Slope, start to end", effect.slope)] if effect else []


def _notes(found: "OfflineScore") -> list[str]:
    scoring = "scored as published" if found.match_paper else "scored"
    p_value = found.flat_gap.p_value
    chance = "below 0.001" if p_value < 0.001 else f"{p_value:.3f}"
    notes = [f"{found.questions:,} answers {scoring}; a flat model has this Gap by chance with probability {chance}"]
    if found.position is None:
        notes.append("note: a fifth of the depth has no question, so ends minus middle is not known")
    if found.left_out:
        why = "that the published scoring excludes" if found.match_paper else "to ambiguous questions"
        notes.append(f"note: {found.left_out:,} answers {why} do not count")
    if found.more_samples:
        notes.append(f"note: {found.more_samples:,} predictions have several samples; only the first counts")
    if found.empty:
        notes.append(f"note: {found.empty:,} answers are empty and count as wrong")
    if found.unfinished_thoughts:
        all_answers = found.questions + found.left_out
        share = (
            f"{found.unfinished_thoughts:,} of {all_answers:,} ({_percent(found.unfinished_thoughts / all_answers)}%)"
        )
        counted = "; their whole text is scored" if found.thoughts == "scored" else " and count as wrong"
        notes.append(f"note: {share} answers end inside a thought{counted}; allow longer answers")
    return notes


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}"


def _interval(interval: tuple[float, float] | None, shown: Callable[[float], str] = _percent) -> str:
    return "-" if interval is None else f"[{shown(interval[0])}, {shown(interval[1])}]"
