"""What lm_eval calls: data, prompts, scores and aggregation of the val_probe tasks (lm_eval_tasks/val_probe).

A row of data holds places only; prompts are made when lm_eval asks for them, from probes that this process has
built: 9,400 prompts of 32K tokens would be 1.2 GB, their contexts are 1.5 MB. All scores of a task travel in one
metric, `scores_stderr`, from which intervals are worked out later; lm_eval prints no metric of such a name.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from in2_plugin.errors import ConfigError, ProbeError
from in2_plugin.probing.lm_eval.command_line import read_invocation
from in2_plugin.probing.lm_eval.endpoint_check import refuse_if_endpoint_cuts
from in2_plugin.probing.lm_eval.window import model_window, refuse_if_too_long
from in2_plugin.probing.probes.build import Probe, Question, build_probe
from in2_plugin.probing.probes.items import read_pieces
from in2_plugin.probing.probes.kinds import KINDS
from in2_plugin.probing.probes.matrix import MATRIX
from in2_plugin.probing.probes.options import parse_options
from in2_plugin.probing.probes.tokens import load_tokens
from in2_plugin.probing.scoring.curves import Curve, curve_from_positions, span_value
from in2_plugin.probing.scoring.published import curve_of_asked, published_curve
from in2_plugin.probing.scoring.scores import as_text, gather

_LOG = logging.getLogger(__name__)
Row = dict[str, Any]
ALL_KINDS = KINDS | MATRIX
Cell = Sequence[Any]
"""(score, position, n_positions, set, n_spans) of one row; a list after lm_eval has gathered it from several ranks."""
FLOORS = ("echo", "other")
"""Metrics of answers that need no reading; see Probe.floors."""


class Prompts(Protocol):
    """Where prompts come from: a probe that was built, or the authors' own data."""

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt, without the answer."""

    def longest_prompt(self) -> str:
        """That prompt."""

    def prompt(self, set_index: int, position: int) -> str:
        """The whole prompt of one question."""

    def fingerprint(self) -> str:
        """Sixteen hex digits that change with any prompt."""


_SERVED: dict[str, Prompts] = {}
"""Prompts of this process by fingerprint; lm_eval gives functions a row and nothing else."""


def load(name: str, lm_eval_args: Mapping[str, Any], argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Build the probe for the model of this run and give its rows as the split `test`.

    Args:
        name: a key of ALL_KINDS: `document`, `code`, `database`, or a cell of the matrix.
        lm_eval_args: YAML metadata, model arguments and `--metadata` in one, as lm_eval passes them.
        argv: the command line of this process when None.

    Raises:
        ConfigError: an option is unknown, out of bounds, or contradicts the command line.
        PromptTooLong: a prompt would not fit the model's window.
        ProbeError, TokenizerError: the probe cannot be built.
    """
    kind = ALL_KINDS[name]
    options = parse_options(lm_eval_args, f"val_probe_{kind.name}")
    refuse_two_templates(options.probe_template, argv)
    pool = read_pieces(kind, Path(options.probe_pieces) if options.probe_pieces else None)
    tokens = load_tokens(lm_eval_args, takes_chat_template=options.probe_template == "plain")
    probe = build_probe(kind, pool, options, tokens)
    rows = [_row(probe, question) for question in probe.questions()]
    return serve(probe, rows, lm_eval_args, probe.template.takes_chat_template, argv)


def refuse_two_templates(template: str, argv: Sequence[str] | None = None) -> None:
    """Raise ConfigError when prompts have tags of their own and `argv` (of this process) asks for a chat template."""
    if template == "film" and read_invocation(argv).applies_chat_template:
        raise ConfigError(
            "probe_template=film writes [INST] tags itself and --apply_chat_template would write the model's around "
            "them; use one of the two"
        )


def serve(
    prompts: Prompts,
    rows: Sequence[Row],
    lm_eval_args: Mapping[str, Any],
    takes_chat_template: bool,
    argv: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Give lm_eval the split `test` of `rows`, whose prompts will come from `prompts`, if all fit the model.

    Raises:
        PromptTooLong: the longest prompt does not fit the model's window, or the endpoint cuts it.
        ProbeError: the window or the endpoint cannot be asked.
    """
    refuse_if_too_long(prompts.longest, model_window(lm_eval_args, argv), argv)
    refuse_if_endpoint_cuts(lm_eval_args, prompts.longest_prompt(), prompts.longest, takes_chat_template, argv)
    key = prompts.fingerprint()
    _SERVED[key] = prompts
    from datasets import Dataset

    return {"test": Dataset.from_list([{"probe": key, **row} for row in rows])}


def _row(probe: Probe, question: Question) -> Row:
    piece = probe.piece(question.set, question.position)
    echo, other = probe.floors(question.set, question.position)
    return {
        "kind": probe.kind.name,
        "set": question.set,
        "position": question.position,
        "n_positions": len(probe.sets[question.set].pieces),
        "span": question.span,
        "n_spans": probe.n_spans,
        "query": piece.query,
        "gold": list(piece.gold),
        "echo": echo,
        "other": other,
    }


def doc_to_text(row: Row) -> str:
    """The prompt of a row."""
    prompts = _SERVED.get(row["probe"])
    if prompts is None:
        raise ProbeError(f"probe {row['probe']} was not built in this process; let lm_eval load the task itself")
    return prompts.prompt(row["set"], row["position"])


def doc_to_target(row: Row) -> str:
    """The gold, for reading; `process_results` scores."""
    return ", ".join(row["gold"])


def process_results(row: Row, responses: Sequence[str]) -> Row:
    """Values of one row by metric, every metric on every row; None where the row has no part in it."""
    kind = ALL_KINDS[row["kind"]]
    score = kind.score(tuple(row["gold"]), responses[0])
    cell = (score, row["position"], row["n_positions"], row["set"], row["n_spans"])
    counted = None if row.get("ambiguous") else cell
    spans: dict[str, Cell | None] = {f"span_{span:02d}": None for span in range(kind.spans)}
    if row["n_spans"] <= kind.spans:
        spans[f"span_{row['span']:02d}"] = counted
    floors = {name: row[name] for name in FLOORS}
    paper = dict.fromkeys(("avg_paper", "gap_paper"), (row["kind"], cell)) if "ambiguous" in row else {}
    return {"acc": score, "avg": counted, "gap": counted, **paper, **spans, **floors, "scores_stderr": counted}


def aggregate_span(cells: Iterable[Cell | None]) -> float | None:
    """The value of one span; None, which becomes null, for a span without rows."""
    return span_value((cell[0], cell[3]) for cell in cells if cell is not None)


def aggregate_avg(cells: Iterable[Cell | None]) -> float:
    """Mean of the span values."""
    return _curve(cells).avg


def aggregate_gap(cells: Iterable[Cell | None]) -> float:
    """Largest minus smallest span value."""
    return _curve(cells).gap


def aggregate_scores(cells: Iterable[Cell | None]) -> str:
    """All scores by set and position, for `in2 report`; see `scores.as_text`."""
    return as_text(gather(tuple(cell[:4]) for cell in cells if cell is not None))


def aggregate_avg_paper(cells: Iterable[tuple[str, Cell]]) -> float:
    """Mean of the span values as the authors' script computes them: 49 of 50 positions, skip lists."""
    return _published(cells).avg


def aggregate_gap_paper(cells: Iterable[tuple[str, Cell]]) -> float:
    """Largest minus smallest of those span values."""
    return _published(cells).gap


def _published(cells: Iterable[tuple[str, Cell]]) -> Curve:
    kinds, counted = zip(*cells, strict=True)
    sets = gather(tuple(cell[:4]) for cell in counted)
    try:
        return published_curve(kinds[0], sets)
    except ProbeError as incomplete:
        # a run that has been paid for is not thrown away at its end
        _LOG.warning(
            "avg_paper and gap_paper are of the questions that were asked, not the published ones: %s", incomplete
        )
        return curve_of_asked(kinds[0], sets)


def _curve(cells: Iterable[Cell | None]) -> Curve:
    counted = [cell for cell in cells if cell is not None]
    return curve_from_positions([tuple(cell[:4]) for cell in counted], n_spans=counted[0][4] if counted else 1)
