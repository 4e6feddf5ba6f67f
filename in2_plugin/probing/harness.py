"""What lm_eval calls: data, prompts, scores and aggregation of the three tasks (lm_eval_tasks/val_probe).

A row of data holds places only; prompts are made when lm_eval asks for them, from probes that this process has
built: 9,400 prompts of 32K tokens would be 1.2 GB, their contexts are 1.5 MB.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError, ProbeError
from in2_plugin.probing.building import Probe, Question, build_probe
from in2_plugin.probing.curves import Curve, Scored, curve, span_value
from in2_plugin.probing.kinds import KINDS
from in2_plugin.probing.options import parse_options
from in2_plugin.probing.pieces import read_pieces
from in2_plugin.probing.tokens import load_tokens
from in2_plugin.probing.window import model_window, refuse_if_too_long

Row = dict[str, Any]
Cell = tuple[float, int]
"""(score, set) in a span's metric."""

_BUILT: dict[str, Probe] = {}
"""Probes of this process by fingerprint; lm_eval gives functions a row and nothing else."""


def load(kind_name: str, lm_eval_args: Mapping[str, Any], argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Build the probe for the model of this run and give its rows as the split `test`.

    Args:
        kind_name: `document`, `code` or `database`.
        lm_eval_args: YAML metadata, model arguments and `--metadata` in one, as lm_eval passes them.
        argv: the command line of this process when None.

    Raises:
        ConfigError: an option is unknown, out of bounds, or contradicts the command line.
        PromptTooLong: a prompt would not fit the model's window.
        ProbeError, TokenizerError: the probe cannot be built.
    """
    kind = KINDS[kind_name]
    options = parse_options(lm_eval_args, f"val_probe_{kind.name}")
    _refuse_two_templates(options.probe_template, sys.argv if argv is None else argv)
    pool = read_pieces(kind, Path(options.probe_pieces) if options.probe_pieces else None)
    tokens = load_tokens(lm_eval_args, takes_chat_template=options.probe_template == "plain")
    probe = build_probe(kind, pool, options, tokens)
    refuse_if_too_long(probe.longest, model_window(lm_eval_args))
    key = probe.fingerprint()
    _BUILT[key] = probe
    from datasets import Dataset

    return {"test": Dataset.from_list([_row(probe, key, question) for question in probe.questions()])}


def _refuse_two_templates(template: str, argv: Sequence[str]) -> None:
    # tasks are not told whether the chat template is applied; the command line is all there is to see
    if template == "film" and any(word.startswith("--apply_chat") for word in argv):
        raise ConfigError(
            "probe_template=film writes [INST] tags itself and --apply_chat_template would write the model's around "
            "them; use one of the two"
        )


def _row(probe: Probe, key: str, question: Question) -> Row:
    piece = probe.piece(question.set, question.position)
    return {
        "probe": key,
        "kind": probe.kind.name,
        "set": question.set,
        "position": question.position,
        "n_positions": len(probe.sets[question.set].pieces),
        "span": question.span,
        "query": piece.query,
        "gold": list(piece.gold),
    }


def doc_to_text(row: Row) -> str:
    """The prompt of a row."""
    probe = _BUILT.get(row["probe"])
    if probe is None:
        raise ProbeError(f"probe {row['probe']} was not built in this process; let lm_eval load the task itself")
    return probe.prompt(row["set"], row["position"])


def doc_to_target(row: Row) -> str:
    """The gold, for reading; `process_results` scores."""
    return ", ".join(row["gold"])


def process_results(row: Row, responses: Sequence[str]) -> Row:
    """Scores of one row by metric; a span's metric holds a cell for rows of that span and None for all others."""
    kind = KINDS[row["kind"]]
    score = kind.score(tuple(row["gold"]), responses[0])
    place = (score, row["set"], row["span"])
    spans = {
        f"span_{span:02d}": (score, row["set"]) if span == row["span"] else None  # every metric on every row
        for span in range(kind.spans)
    }
    return {"acc": score, "avg": place, "gap": place, **spans}


def aggregate_span(cells: Iterable[Cell | None]) -> float | None:
    """The value of one span; None, which becomes null, for a span without rows."""
    return span_value(cell for cell in cells if cell is not None)


def aggregate_avg(places: Iterable[Sequence[Any]]) -> float:
    """Mean of the span values."""
    return _curve(places).avg


def aggregate_gap(places: Iterable[Sequence[Any]]) -> float:
    """Largest minus smallest span value."""
    return _curve(places).gap


def _curve(places: Iterable[Sequence[Any]]) -> Curve:
    rows = [Scored(*place) for place in places]
    return curve(rows, n_spans=1 + max((row.span for row in rows), default=0))
