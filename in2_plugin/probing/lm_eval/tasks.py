"""The functions that lm_eval calls for the val_probe tasks: data, prompts, scores and aggregation.

A row of data holds indices only. lm_eval asks for prompts one by one, and they come from contexts that this process has
built: 9,400 prompts of 32K tokens would be 1.2 GB, their contexts are 1.5 MB. One metric, `scores_stderr`, carries
all scores of a task, from which reports compute intervals; lm_eval does not print metrics with such names.
"""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from in2_plugin.errors import ConfigError, ProbeError
from in2_plugin.probing.lm_eval.command_line import Invocation
from in2_plugin.probing.lm_eval.endpoint_check import refuse_if_endpoint_cuts
from in2_plugin.probing.lm_eval.thoughts import thoughts_of, unfinished_share
from in2_plugin.probing.lm_eval.window import (
    USUAL_NEEDS,
    PromptNeeds,
    is_api,
    model_window,
    refuse_if_too_long,
    sends_messages,
    sends_tokens,
)
from in2_plugin.probing.probes.build import BuiltProbe, ProbeQuestion, build_probe
from in2_plugin.probing.probes.items import read_items
from in2_plugin.probing.probes.matrix import find_probe
from in2_plugin.probing.probes.options import parse_options
from in2_plugin.probing.probes.tokens import load_tokens
from in2_plugin.probing.scoring.curves import Curve, curve_from_positions, span_value
from in2_plugin.probing.scoring.dip import measured_dip
from in2_plugin.probing.scoring.power import Design, detectable_dip
from in2_plugin.probing.scoring.published import curve_of_asked, published_curve
from in2_plugin.probing.scoring.scores import as_text, gather
from in2_plugin.probing.scoring.thoughts import text_to_score

_LOG = logging.getLogger(__name__)
Row = dict[str, Any]
Cell = Sequence[Any]
"""(score, position, n_positions, set, n_spans) of one row; a list after lm_eval has gathered it from several ranks."""
BASELINES = ("echo", "other")
"""Metrics of answers that need no reading; see `Probe.baselines`."""


UNFINISHED = "unfinished_thoughts"
"""Metric: 1 for an answer that ends inside a thought and therefore counts as wrong; 0 where thoughts are scored."""


class PromptSource(Protocol):
    """The source of prompts: contexts that were built, or the authors' own data."""

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt, without the answer."""

    def longest_prompt(self) -> str:
        """Return that prompt."""

    def prompt(self, set_index: int, position: int) -> str:
        """Return the whole prompt of one question."""

    def fingerprint(self) -> str:
        """Return sixteen hex digits that change with any prompt."""


_SERVED: dict[str, PromptSource] = {}
"""Prompts of this process by fingerprint; lm_eval passes functions a row and nothing else."""


def load(name: str, lm_eval_args: Mapping[str, Any], invocation: Invocation) -> dict[str, Any]:
    """Build the probe for the model of this run and return its rows as the split `test`.

    Args:
        name: a registered probe or a cell of the matrix.
        lm_eval_args: YAML metadata, model arguments and `--metadata` in one dictionary, as lm_eval passes them.
        invocation: the command line of lm_eval.

    Raises:
        ConfigError: an option is unknown, out of bounds, or contradicts the command line.
        PromptTooLong: a prompt would not fit the model's window.
        ProbeError, TokenizerError: the probe cannot be built.
    """
    probe = find_probe(name)
    options = parse_options(lm_eval_args, probe.task)
    refuse_wrong_template(options.probe_template, lm_eval_args, invocation)
    pool = read_items(probe, Path(options.probe_pieces) if options.probe_pieces else None)
    tokens = load_tokens(lm_eval_args, takes_chat_template=options.probe_template == "plain")
    built = build_probe(probe, pool, options, tokens)
    rows = [_row(built, question) for question in built.questions()]
    _LOG.info("%s", power_line(rows, invocation.limit))
    return serve(built, rows, lm_eval_args, built.template.takes_chat_template, invocation)


def refuse_wrong_template(template: str, lm_eval_args: Mapping[str, Any], invocation: Invocation) -> None:
    """Raise ConfigError when the chat template of the command line does not go with the prompts or the backend."""
    invocation.refuse_messages_without_template()
    if not invocation.applies_chat_template:
        return
    if template == "film":
        raise ConfigError(
            "probe_template=film writes [INST] tags itself and --apply_chat_template would write the model's around "
            "them; use one of the two"
        )
    if is_api(lm_eval_args) and not (
        sends_messages(lm_eval_args, invocation) or sends_tokens(lm_eval_args, invocation)
    ):
        raise ConfigError(
            "--apply_chat_template with a completions endpoint needs token ids; remove tokenized_requests and "
            "tokenizer_backend from --model_args and set tokenizer="
        )


def serve(
    prompts: PromptSource,
    rows: Sequence[Row],
    lm_eval_args: Mapping[str, Any],
    takes_chat_template: bool,
    invocation: Invocation,
    needs: PromptNeeds = USUAL_NEEDS,
) -> dict[str, Any]:
    """Return `rows` as the split `test` for lm_eval, with prompts from `prompts`, if all fit the model.

    Raises:
        PromptTooLong: the longest prompt does not fit the model's window, or the endpoint truncates it.
        ProbeError: the window is unknown, or the endpoint does not answer.
    """
    refuse_if_too_long(prompts.longest, model_window(lm_eval_args, invocation), invocation, needs)
    longest = prompts.longest_prompt()
    reply = refuse_if_endpoint_cuts(lm_eval_args, longest, prompts.longest, takes_chat_template, invocation, needs)
    thoughts = thoughts_of(lm_eval_args, takes_chat_template, invocation, reply)
    key = prompts.fingerprint()
    _SERVED[key] = prompts
    from datasets import Dataset

    return {"test": Dataset.from_list([{"probe": key, "thoughts": thoughts, **row} for row in rows])}


def power_line(rows: Sequence[Row], limit: float | None) -> str:
    """Return what a run over `rows` can show, in one line; `limit` is that of the command line."""
    asked = rows_asked(len(rows), limit)
    design = Design(rows[0]["n_spans"], len({row["set"] for row in rows}))
    per_span = asked / design.spans
    dip = detectable_dip(per_span, design)
    shown = f"show a dip of {100 * dip:.1f} points or more" if dip < 1 else "too few to show a dip"
    return f"{rows[0]['kind']}: {asked:,} questions, {per_span:,.0f} per span, {shown} (see `in2 val power`)"


def rows_asked(n_rows: int, limit: float | None) -> int:
    """Return how many rows lm_eval asks under `--limit`, a number or a share below 1."""
    return n_rows if not limit else min(n_rows, int(limit) if limit >= 1 else math.ceil(limit * n_rows))


def _row(built: BuiltProbe, question: ProbeQuestion) -> Row:
    item = built.item(question.set, question.position)
    echo, other = built.baselines(question.set, question.position)
    return {
        "kind": built.probe.name,
        "set": question.set,
        "position": question.position,
        "n_positions": len(built.sets[question.set].items),
        "span": question.span,
        "n_spans": built.n_spans,
        "query": item.query,
        "gold": list(item.gold),
        "echo": echo,
        "other": other,
    }


def doc_to_text(row: Row) -> str:
    """Return the prompt of a row."""
    prompts = _SERVED.get(row["probe"])
    if prompts is None:
        raise ProbeError(f"probe {row['probe']} was not built in this process; let lm_eval load the task itself")
    return prompts.prompt(row["set"], row["position"])


def doc_to_target(row: Row) -> str:
    """Return the gold as text for logged samples; `process_results` scores."""
    return ", ".join(row["gold"])


def process_results(row: Row, responses: Sequence[str]) -> Row:
    """Return the values of one row by metric, with every metric on every row; None where the row does not count."""
    probe = find_probe(row["kind"])
    text, is_unfinished = text_to_score(responses[0], row["thoughts"])
    score = probe.score(tuple(row["gold"]), text)
    cell = (score, row["position"], row["n_positions"], row["set"], row["n_spans"])
    counted = None if row.get("ambiguous") else cell
    spans: dict[str, Cell | None] = {f"span_{span:02d}": None for span in range(probe.spans)}
    if row["n_spans"] <= probe.spans:
        spans[f"span_{row['span']:02d}"] = counted
    counts_as_wrong = is_unfinished and row["thoughts"] != "scored"
    further = {**{name: row[name] for name in BASELINES}, UNFINISHED: float(counts_as_wrong)}
    paper = dict.fromkeys(("avg_paper", "gap_paper"), (row["kind"], cell)) if "ambiguous" in row else {}
    means = dict.fromkeys(("dip", "avg", "gap"), counted)
    return {"acc": score, **means, **paper, **spans, **further, "scores_stderr": counted}


def aggregate_span(cells: Iterable[Cell | None]) -> float | None:
    """Return the value of one span; None, null in the results file, for a span without rows."""
    return span_value((cell[0], cell[3]) for cell in cells if cell is not None)


def aggregate_dip(cells: Iterable[Cell | None]) -> float:
    """Return ends minus middle; nan if a fifth of the depth has no question, as with a small `--limit`."""
    dip = measured_dip(gather(tuple(cell[:4]) for cell in cells if cell is not None))
    return math.nan if dip is None else dip


def aggregate_avg(cells: Iterable[Cell | None]) -> float:
    """Return the mean of the span values."""
    return _curve(cells).avg


def aggregate_gap(cells: Iterable[Cell | None]) -> float:
    """Return the largest minus the smallest span value."""
    return _curve(cells).gap


def aggregate_unfinished(unfinished: Iterable[float]) -> float:
    """Return the share of answers that end inside a thought, and warn if there are any."""
    return unfinished_share(list(unfinished))


def aggregate_scores(cells: Iterable[Cell | None]) -> str:
    """Return all scores by set and position, for `in2 report`; see `scores.as_text`."""
    return as_text(gather(tuple(cell[:4]) for cell in cells if cell is not None))


def aggregate_avg_paper(cells: Iterable[tuple[str, Cell]]) -> float:
    """Return the mean of the span values as the authors' script computes them: 49 of 50 positions, skip lists."""
    return _published(cells).avg


def aggregate_gap_paper(cells: Iterable[tuple[str, Cell]]) -> float:
    """Return the largest minus the smallest of those span values."""
    return _published(cells).gap


def _published(cells: Iterable[tuple[str, Cell]]) -> Curve:
    names, counted = zip(*cells, strict=True)
    probe, sets = find_probe(names[0]), gather(tuple(cell[:4]) for cell in counted)
    try:
        return published_curve(probe, sets)
    except ProbeError as incomplete:
        # a warning, because an error would throw away answers that have been paid for
        _LOG.warning(
            "avg_paper and gap_paper cover the questions that were asked, not the published ones: %s", incomplete
        )
        return curve_of_asked(probe, sets)


def _curve(cells: Iterable[Cell | None]) -> Curve:
    counted = [cell for cell in cells if cell is not None]
    return curve_from_positions([tuple(cell[:4]) for cell in counted], n_spans=counted[0][4] if counted else 1)
