"""The functions that lm_eval calls for the tasks of position probes: data, scores and aggregation.

As for the VAL tasks (`tasks.py`), a row of data holds indices and the prompt is made when lm_eval asks for it.
Questions come one after the other, each at all depths, so that `--limit` compares depths on the same questions.
`scores_stderr` carries every scored answer. Cost: the longest prompt of each context is tokenized once.
"""

import hashlib
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from in2_plugin.errors import ProbeError
from in2_plugin.probing.lm_eval.command_line import Invocation
from in2_plugin.probing.lm_eval.tasks import (
    BASELINES,
    UNFINISHED,
    Row,
    doc_to_target,
    doc_to_text,
    refuse_wrong_template,
    rows_asked,
    serve,
)
from in2_plugin.probing.lm_eval.thoughts import unfinished_share
from in2_plugin.probing.lm_eval.window import PromptNeeds, model_window
from in2_plugin.probing.position.longest import longest_by_context
from in2_plugin.probing.position.probe import Control, PositionProbe, PositionPrompts, PositionQuestion
from in2_plugin.probing.position.scores import FINE_GRAINED, PositionScores, ScoredAnswer, as_text
from in2_plugin.probing.probes.order import bit_reversed
from in2_plugin.probing.probes.registry import POSITION_PROBES
from in2_plugin.probing.probes.tokens import CountedOnce, TokenCounter, load_tokens
from in2_plugin.probing.scoring.curves import curve_from_positions
from in2_plugin.probing.scoring.dip import FIFTHS, measured_dip
from in2_plugin.probing.scoring.power import Design, detectable_paired_dip
from in2_plugin.probing.scoring.thoughts import text_to_score

__all__ = [
    "aggregate_avg", "aggregate_dip", "aggregate_scores", "aggregate_unfinished", "doc_to_target", "doc_to_text",
    "load_position", "process_results",
]  # fmt: skip
_LOG = logging.getLogger(__name__)
Cell = Sequence[Any]
"""(digest, n_depths, window) of the task, then the fields of a `ScoredAnswer`; a list after lm_eval has gathered it."""


@dataclass(frozen=True, slots=True)
class ServedPrompts:
    """The prompts of one task in the form in which `serve` keeps them."""

    prompts: PositionPrompts
    key: str
    """Differs between two tasks with different prompts."""
    longest: int
    """Tokens of the longest prompt, without the answer."""
    longest_question: PositionQuestion

    def longest_prompt(self) -> str:
        return self.prompts.prompt(self.longest_question)

    def prompt(self, set_index: int, position: int) -> str:
        """Return the prompt of the question at index `position`, whatever its context."""
        return self.prompts.prompt(self.prompts.questions[position])

    def fingerprint(self) -> str:
        return self.key


def load_position(
    name: str, control: Control, lm_eval_args: Mapping[str, Any], invocation: Invocation
) -> dict[str, Any]:
    """Return the questions of a position probe, or of one of its controls, as the split `test` for lm_eval.

    Args:
        name: a registered position probe.
        control: the task, one of the probe's `controls`.
        lm_eval_args: YAML metadata, model arguments and `--metadata` in one dictionary, as lm_eval passes them.
        invocation: the command line of lm_eval.

    Raises:
        ConfigError: an option is unknown, out of bounds, or contradicts the command line.
        PromptTooLong: a prompt would not fit the model's window.
        ProbeError, TokenizerError: the probe cannot be read or made.
    """
    probe = POSITION_PROBES[name]
    refuse_wrong_template("plain", lm_eval_args, invocation)
    tokens = CountedOnce(load_tokens(lm_eval_args, takes_chat_template=True))
    prompts = probe.load(lm_eval_args, control, tokens)
    if not prompts.questions:
        raise ProbeError(f"{probe.task(control)} has no question; choose other options")
    window = model_window(lm_eval_args, invocation)
    shared = {
        "kind": probe.name,
        "control": control,
        "digest": prompts.digest(),
        "window": None if window is None else window.tokens + window.kept_back,
    }
    rows = [shared | _row(probe, index, prompts.questions[index]) for index in question_order(prompts.questions)]
    served = measured(prompts, f"{name} {control} {shared['digest']}", tokens)
    _LOG.info("%s", power_line(probe.task(control), rows, invocation.limit))
    needs = PromptNeeds(probe.max_gen_toks, probe.advice(control, lm_eval_args))
    return serve(served, rows, lm_eval_args, takes_chat_template=True, invocation=invocation, needs=needs)


def measured(prompts: PositionPrompts, name: str, tokens: TokenCounter) -> ServedPrompts:
    """Return the prompts with the longest one, which is counted exactly."""
    digest = hashlib.sha256(name.encode())
    counts = []
    for question in longest_by_context(prompts.questions, tokens):
        prompt = prompts.prompt(question)
        digest.update(prompt.encode("utf-8", "surrogatepass"))
        counts.append((tokens.prompt(prompt), question))
    longest, question = max(counts, key=lambda counted: counted[0])
    return ServedPrompts(prompts, digest.hexdigest()[:16], longest, question)


def question_order(questions: Sequence[PositionQuestion]) -> list[int]:
    """Return the indices question by question, each one at all depths, in an order whose every prefix is spread."""

    def rank(index: int) -> tuple[int, int, int]:
        one = questions[index]
        depths = bit_reversed(one.n_depths, f"{one.question:b}"[::-1])
        return one.question, one.length, depths.index(one.depth)

    return sorted(range(len(questions)), key=rank)


def power_line(task: str, rows: Sequence[Row], limit: float | None) -> str:
    """Return what a run over `rows` can show, in one line; `limit` is that of the command line."""
    asked = rows[: rows_asked(len(rows), limit)]
    line = f"{task}: {len(asked):,} answers"
    depths = max(row["n_depths"] for row in asked)
    of_curve = len({row["question"] for row in asked if row["question_kind"] == FINE_GRAINED})
    if depths < FIFTHS or of_curve < 2:
        return line
    dip = detectable_paired_dip(of_curve, Design(spans=depths))
    shown = f"show a dip of {100 * dip:.1f} points or more" if dip < 1 else "too few to show a dip"
    return f"{line}; {of_curve:,} questions at each of {depths} depths {shown}"


def _row(probe: PositionProbe, index: int, one: PositionQuestion) -> Row:
    return {
        "set": one.context,
        "position": index,
        "question": one.question,
        "depth": one.depth,
        "n_depths": one.n_depths,
        "length": one.length,
        "question_kind": one.kind,
        "query": one.text,
        "gold": list(one.gold),
        "gold_depths": list(one.gold_depths),
        "echo": probe.score(one.gold, one.query),
        "other": probe.score(one.gold, one.other),
    }


def process_results(row: Row, responses: Sequence[str]) -> Row:
    """Return the values of one row by metric, with every metric of its task on every row."""
    probe = POSITION_PROBES[row["kind"]]
    text, is_unfinished = text_to_score(responses[0], row["thoughts"])
    gold = tuple(row["gold"])
    score, recall = probe.score(gold, text), probe.recall(gold, text)
    places = (row["question"], row["length"], row["depth"], row["question_kind"], tuple(row["gold_depths"]))
    cell = (row["digest"], row["n_depths"], row["window"], *places, score, recall)
    by_depth = {} if row["control"] else {"dip": cell, "avg": cell}
    unfinished = float(is_unfinished and row["thoughts"] != "scored")
    baselines = {name: row[name] for name in BASELINES}
    return {"acc": score, "recall": recall, **by_depth, **baselines, UNFINISHED: unfinished, "scores_stderr": cell}


def aggregate_dip(cells: Iterable[Cell]) -> float:
    """Return ends minus middle, mean over lengths; nan if no length has a question in each fifth of the depth."""
    scores = _gathered(cells)
    dips = [measured_dip(scores.sets(length), by_question=True) for length in scores.lengths]
    return _mean(dip for dip in dips if dip is not None)


def aggregate_avg(cells: Iterable[Cell]) -> float:
    """Return the mean over depths, then over lengths, of questions with one gold; nan without any."""
    scores = _gathered(cells)
    return _mean(
        curve_from_positions(_places(scores, length), scores.n_depths).avg
        for length in scores.lengths
        if scores.sets(length)
    )


def aggregate_unfinished(unfinished: Iterable[float]) -> float:
    """Return the share of answers that end inside a thought, and warn if there are any."""
    return unfinished_share(list(unfinished))


def aggregate_scores(cells: Iterable[Cell]) -> str:
    """Return all scored answers, for `in2 report`; see `position.scores.as_text`."""
    return as_text(_gathered(cells))


def _gathered(cells: Iterable[Cell]) -> PositionScores:
    rows = list(cells)
    digest, n_depths, window = rows[0][:3]
    return PositionScores(digest, n_depths, window, tuple(sorted(map(_answer, rows), key=_place)))


def _answer(cell: Cell) -> ScoredAnswer:
    question, length, depth, kind, gold_depths, score, recall = cell[3:]
    return ScoredAnswer(question, length, depth, kind, tuple(gold_depths), score, recall)


def _place(answer: ScoredAnswer) -> tuple[int, int, int, tuple[float, ...]]:
    return answer.question, answer.length, answer.depth, answer.gold_depths


def _places(scores: PositionScores, length: int) -> Iterator[tuple[float, int, int, int]]:
    for one in scores.sets(length):
        for depth, score in zip(one.positions, one.scores, strict=True):
            yield score, depth, one.n_positions, one.set


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return fmean(found) if found else math.nan
