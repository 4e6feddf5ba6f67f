"""`in2 val write` and `in2 val score`: the probes without lm_eval, by files that any engine reads and writes."""

import json
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from in2_plugin.probing.offline.scoring import OfflineScore
    from in2_plugin.probing.probes.kinds import Kind

PLAIN_WIDTH = 120
SEED = 240_416_811
"""Of the intervals: the same answers give the same ones."""

val = typer.Typer(help="Write VAL probes as files for any engine, and score its answers.", no_args_is_help=True)


class WrittenTemplate(StrEnum):
    """What stands around context and question."""

    PLAIN = "plain"
    FILM = "film"
    CHAT = "chat"


class WrittenForm(StrEnum):
    """The names of `probing.offline.Form`, whose import takes long."""

    PROMPTS = "prompts"
    MESSAGES = "messages"
    BATCH = "batch"


def _tokens(text: str) -> int:
    """A length like `32K` or `32768`."""
    found = re.fullmatch(r"(\d+)([kK]?)", text.strip())
    if not found:
        raise typer.BadParameter(f"give a length like 32K or 32768, not `{text}`")
    return int(found[1]) * (1_024 if found[2] else 1)


Task = Annotated[str, typer.Option(help="document, code, database, or a cell like matrix_code_forward.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to write; it must not exist.")]
TokenizerName = Annotated[str | None, typer.Option(help="Folder or hub name: the tokenizer of the model to be asked.")]
Length = Annotated[
    int | None, typer.Option(parser=_tokens, metavar="TOKENS", help="Longest prompt and its answer; 32K when absent.")
]
Sets = Annotated[int | None, typer.Option(min=1, help="Contexts, each with its own items; 4 when absent.")]
Questions = Annotated[int | None, typer.Option(min=1, help="Questions for each context; one an item when absent.")]
Seed = Annotated[int | None, typer.Option(help="Another seed draws other items; 0 when absent.")]
Pieces = Annotated[
    Path | None, typer.Option(help="Folder with items, like VaLProbing/pieces of microsoft/FILM; ours when absent.")
]
TemplateName = Annotated[
    WrittenTemplate, typer.Option(help="film: FILM's [INST] tags; chat: the tokenizer's chat template; plain: neither.")
]
FormName = Annotated[
    WrittenForm,
    typer.Option("--format", help="Whole texts, chat messages, or requests for the OpenAI batch interface."),
]
Model = Annotated[str | None, typer.Option(help="Name of the model with the API, for --format batch.")]
Paper = Annotated[
    str | None,
    typer.Option(
        metavar="DATA", help="The authors' own questions: In2Training/VaLProbing-32K, or a folder with a copy."
    ),
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
    """Write the questions of one probe, with their golds for `in2 val score` beside them."""
    from in2_plugin.errors import ConfigError
    from in2_plugin.probing.offline.sources import built_probe, published_probe
    from in2_plugin.probing.offline.write import Form, write_probe
    from in2_plugin.probing.probes.options import ProbeOptions

    kind = _kind(task)
    given = {"length": length, "sets": sets, "questions": questions, "seed": seed, "pieces": pieces and str(pieces)}
    building = {f"probe_{name}": value for name, value in given.items() if value is not None}
    if paper is not None:
        _refuse_building(kind, building)
        probe = published_probe(kind.name, paper, template.value, tokenizer)
    elif tokenizer is None:
        raise ConfigError("prompts are counted with the tokenizer of the model to be asked; give it with --tokenizer")
    else:
        probe = built_probe(kind, ProbeOptions.parse(building, "in2 val write"), tokenizer, template.value)
    written = write_probe(probe, output, Form(form.value), model)
    how = "wrote" if written.is_new else "the same probe is there already:"
    typer.echo(f"{how} {written.questions:,} questions, {', '.join(written.files)} in {written.folder}")
    if template is WrittenTemplate.CHAT:
        typer.echo("note: the prompts hold the special tokens of the chat template; let the engine add none of its own")


def _kind(task: str) -> "Kind":
    from in2_plugin.config import nearest
    from in2_plugin.errors import ConfigError
    from in2_plugin.probing.offline.gold import ALL_KINDS

    if task not in ALL_KINDS:
        near = nearest(task, ALL_KINDS)
        advice = f"did you mean `{near}`?" if near else f"there are {', '.join(ALL_KINDS)}"
        raise ConfigError(f"no probe is called `{task}`; {advice}")
    return ALL_KINDS[task]


def _refuse_building(kind: "Kind", building: dict[str, Any]) -> None:
    from in2_plugin.errors import ConfigError
    from in2_plugin.probing.probes.kinds import KINDS

    if building:
        names = ", ".join(f"--{name.removeprefix('probe_')}" for name in building)
        raise ConfigError(f"--paper takes the authors' questions as they are; leave {names} out")
    if kind.name not in KINDS:
        raise ConfigError(f"the authors published {', '.join(KINDS)}, not {kind.name}; leave --paper out")


@val.command()
def score(
    task: Task,
    gold: Annotated[Path, typer.Option(help="Gold rows: gold.jsonl of `in2 val write`, or the authors' file.")],
    predictions: Annotated[list[Path], typer.Option(help="Answers; several times for the files of several batches.")],
    match_paper: Annotated[
        bool, typer.Option("--match-paper", help="Score as the paper did: 49 of 50 positions, its skip lists.")
    ] = False,
    spans: Annotated[
        int | None, typer.Option(min=2, help="Equal parts of a context; 16 when absent, and 15 for database.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, figures as fractions of one.")
    ] = False,
) -> None:
    """Score answers by position. They belong to the gold rows by `id`, or by order where they have none."""
    import numpy as np

    from in2_plugin.probing.offline.answers import pair, read_answers
    from in2_plugin.probing.offline.gold import read_gold
    from in2_plugin.probing.offline.scoring import score_answers

    kind = _kind(task)
    pairs = pair(read_gold(kind.name, gold), read_answers(predictions))
    found = score_answers(kind, pairs, np.random.default_rng(SEED), spans, match_paper)
    if as_json:
        typer.echo(json.dumps(found.as_json()))
        return
    _print(found)


def _print(found: "OfflineScore") -> None:
    from rich.console import Console

    terminal = sys.stdout.isatty()
    Console(file=sys.stdout, width=None if terminal else PLAIN_WIDTH).print(_table(found, terminal))
    for note in _notes(found):
        typer.echo(note)


def _table(found: "OfflineScore", terminal: bool) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False)
    table.add_column(f"{found.task}, %")
    for column in ("", "95% interval"):
        table.add_column(column, justify="right", no_wrap=True)
    flat = found.flat_gap
    table.add_row("Avg", _percent(found.curve.avg), _interval(found.intervals.avg))
    table.add_row("Gap", _percent(found.curve.gap), _interval(found.intervals.gap))
    table.add_row("Gap of a flat model", _percent(flat.expected), f"95th percentile {_percent(flat.percentile_95)}")
    for index, (value, interval) in enumerate(zip(found.curve.spans, found.intervals.spans, strict=True), start=1):
        table.add_row(f"span {index} of {len(found.curve.spans)}", _percent(value), _interval(interval))
    return table


def _notes(found: "OfflineScore") -> list[str]:
    scoring = "scored as published" if found.match_paper else "scored"
    p_value = found.flat_gap.p_value
    chance = "below 0.001" if p_value < 0.001 else f"{p_value:.3f}"
    notes = [f"{found.questions:,} answers {scoring}; a flat model has such a Gap by chance with probability {chance}"]
    if found.left_out:
        why = "that the published scoring leaves out" if found.match_paper else "to ambiguous questions"
        notes.append(f"note: {found.left_out:,} answers {why} do not count")
    if found.more_samples:
        notes.append(f"note: {found.more_samples:,} predictions have several samples; the first counts")
    if found.empty:
        notes.append(f"note: {found.empty:,} answers are empty and score as wrong ones")
    return notes


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"[{_percent(interval[0])}, {_percent(interval[1])}]"
