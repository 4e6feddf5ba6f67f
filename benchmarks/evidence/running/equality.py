"""Count what the arms of a study are trained on, and refuse arms that differ in more than they should.

Everything is counted in the finished datasets, not read from the study file. Equal: questions and optimizer steps.
Within `tolerance`: answer tokens. Reported: context tokens, and the questions that arms share.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.evidence.study import Section, Study
from in2_plugin import layout
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import ConfigError
from in2_plugin.probing.scoring.curves import span_of_depth
from in2_plugin.probing.scoring.dip import FIFTHS

BATCH, EPOCHS = 8, 3
"""Defaults of the trainer."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What an arm is trained on in its second stage."""

    examples: int
    questions: int
    steps: int
    """Optimizer steps."""
    tokens: int
    answer_tokens: int
    gold_by_fifth: tuple[int, ...]
    """Gold segments by the fifth of the context that holds their middle."""
    asked: frozenset[str]
    """The texts of the questions."""

    def as_row(self) -> dict[str, Any]:
        """Return the numbers, without texts."""
        return {name: value for name, value in asdict(self).items() if name != "asked"}


def count(dataset: Path, training: Section) -> Counts:
    """Count the examples of a finished dataset."""
    examples = questions = tokens = answer_tokens = 0
    fifths, asked = [0] * FIFTHS, set()
    for row in read_rows(dataset / layout.EXAMPLES):
        examples += 1
        tokens += row["n_tokens"]
        answer_tokens += row["n_answer_tokens"]
        for turn in row["turns"]:
            questions += 1
            asked.add(turn["question"])
            for gold in turn["gold"]:
                place = row["segment_ids"].index(gold["segment_id"])
                fifths[span_of_depth(place, len(row["segment_ids"]), FIFTHS)] += 1
    steps = steps_of(examples, training)
    return Counts(examples, questions, steps, tokens, answer_tokens, tuple(fifths), frozenset(asked))


def steps_of(examples: int, training: Section) -> int:
    """Return the optimizer steps of a training section on one device."""
    if (most := int(training.get("max_steps", -1))) > 0:
        return most
    batches = math.ceil(examples / int(training.get("per_device_train_batch_size", BATCH)))
    of_epoch = math.ceil(batches / int(training.get("gradient_accumulation_steps", 1)))
    return math.ceil(of_epoch * float(training.get("num_train_epochs", EPOCHS)))


def require_comparable(study: Study, counts: Mapping[str, Counts]) -> None:
    """Check that the arms of one seed differ only in what the study compares.

    Raises:
        ConfigError: names two arms and what differs, or an arm with golds at other depths than declared.
    """
    first, *others = counts
    for arm in others:
        for name in ("questions", "steps"):
            _require_equal(first, arm, name, getattr(counts[first], name), getattr(counts[arm], name))
        few, many = sorted((counts[first].answer_tokens, counts[arm].answer_tokens))
        if many - few > study.tolerance * few:
            raise ConfigError(
                f"arms {first} and {arm} are trained on {counts[first].answer_tokens:,} and "
                f"{counts[arm].answer_tokens:,} answer tokens, which differ by more than `tolerance: "
                f"{study.tolerance}`; ask more questions, or raise it and say so in the protocol"
            )
    for arm, found in counts.items():
        _require_depths(arm, found, study.arms[arm].gold_in_fifths)


def _require_equal(first: str, other: str, what: str, expected: int, found: int) -> None:
    if expected != found:
        raise ConfigError(
            f"arms {first} and {other} have {expected:,} and {found:,} {what}; set the same `mixture`, "
            "`questions_per_context` and batch for both"
        )


def _require_depths(arm: str, found: Counts, allowed: tuple[int, ...]) -> None:
    outside = sum(n for fifth, n in enumerate(found.gold_by_fifth) if fifth not in allowed)
    if outside:
        raise ConfigError(
            f"arm {arm} has {outside:,} of {sum(found.gold_by_fifth):,} golds outside of `gold_in_fifths: "
            f"{list(allowed)}` (by fifth: {list(found.gold_by_fifth)}); lower `questions_per_context`, or make "
            "contexts longer"
        )
    if empty := [fifth for fifth in allowed if not found.gold_by_fifth[fifth]]:
        raise ConfigError(f"arm {arm} has no gold in fifth {empty[0]} of the depth; correct its `positions`")


def shared_questions(counts: Mapping[str, Counts]) -> float:
    """Return the share of questions that all arms ask, of those that any arm asks."""
    asked = [found.asked for found in counts.values()]
    return len(frozenset.intersection(*asked)) / len(frozenset.union(*asked))
