"""Load the questions of IN2 datasets as prompts for GRPO: a `datasets.Dataset` whose transform assembles each prompt.

TRL's GRPO has no limit for prompts: one that does not fit the model's window fails in the middle of a run. Prompts are
therefore chosen here, before training, and what is left out is counted. Invariant: nothing is written; rows are three
numbers per question. Cost: about 2 ms per 1K tokens when a prompt is read, next to generating its completions.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from datasets import Dataset

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.example_rows import ExampleRows
from in2_plugin.dataset.prompts import COLUMNS, QuestionPrompts
from in2_plugin.errors import ConfigError

LOG = logging.getLogger(__name__)
INDEX = ("in2_dataset", "in2_example", "in2_turn")
"""Columns under the transform: number of the dataset, of the example in it, and of the question about its context."""
Place = tuple[int, int, int]
"""Values of INDEX."""


@dataclass(frozen=True, slots=True)
class PromptTransform:
    """Turns INDEX into COLUMNS."""

    prompts: tuple[QuestionPrompts, ...]
    rows: tuple[ExampleRows, ...]

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        places = list(zip(*(batch[name] for name in INDEX), strict=True))
        # a batch of GRPO repeats each prompt for its generations
        made = {place: self.at(*place) for place in set(places)}
        return {name: [made[place][name] for place in places] for name in COLUMNS}

    def at(self, which: int, example: int, turn: int) -> dict[str, Any]:
        """Return COLUMNS of one question."""
        return self.prompts[which].of(self.rows[which][example], turn)


@dataclass(frozen=True, slots=True)
class ChosenPrompts:
    """The prompts of some datasets that a run can use."""

    transform: PromptTransform
    places: tuple[Place, ...]
    questions: int
    """Number before any was left out for its length."""
    limit: int | None
    """Tokens of the longest prompt that is allowed."""

    @property
    def left_out(self) -> str:
        """Return what is left out, with the reasons; empty if nothing is."""
        conversations = sum(int((one.counts == 0).sum()) for one in self.transform.prompts)
        reasons = {
            f"prompts longer than {self.limit:,} tokens" if self.limit else "": self.questions - len(self.places),
            "conversations without a context, which have no gold": conversations,
        }
        return ", ".join(f"{n:,} {what}" for what, n in reasons.items() if n)

    @property
    def longest(self) -> int:
        """Return an upper bound of the tokens of a prompt."""
        examples = sorted({place[:2] for place in self.places})
        plans = ((one := self.transform.prompts[which], one.dataset.plans.plan(number)) for which, number in examples)
        longest = max(one.longest(plan.segment_ids, plan.n_tokens) for one, plan in plans)
        return longest if self.limit is None else min(longest, self.limit)

    @property
    def answer_tokens(self) -> npt.NDArray[np.int64]:
        """Return (n,) the tokens of each stored answer and its end of turn."""
        plans = [one.dataset.plans for one in self.transform.prompts]
        answers = [plans[which].answers(example)[turn] for which, example, turn in self.places]
        return np.array([int(one["stop"]) - int(one["start"]) for one in answers], np.int64)

    def as_dataset(self) -> Dataset:
        """Return the prompts as rows that are assembled when they are read."""
        columns = np.array(self.places, np.uint32).T
        return Dataset.from_dict(dict(zip(INDEX, columns, strict=True))).with_transform(self.transform)


def load_prompts(
    folders: Sequence[str | Path],
    tokenizer: ModelTokenizer,
    *,
    number_segments: bool = False,
    max_prompt_tokens: int | None = None,
) -> Dataset:
    """Return the prompts of `choose_prompts` as a dataset; a log message counts those that are left out."""
    chosen = choose_prompts(folders, tokenizer, number_segments=number_segments, max_prompt_tokens=max_prompt_tokens)
    if chosen.left_out:
        LOG.warning("in2: %s prompts; left out: %s", f"{len(chosen.places):,}", chosen.left_out)
    return chosen.as_dataset()


def choose_prompts(
    folders: Sequence[str | Path],
    tokenizer: ModelTokenizer,
    *,
    number_segments: bool = False,
    max_prompt_tokens: int | None = None,
) -> ChosenPrompts:
    """Open finished datasets and choose the questions whose prompts are short enough.

    Args:
        number_segments: write the number of each segment before it, and ask for those with the answer.
        max_prompt_tokens: leave out longer prompts.

    Raises:
        ConfigError: no prompt is left.
        ConfigError, DatasetError, TokenizerMismatch: a dataset cannot be used.
    """
    prompts = tuple(QuestionPrompts.open(folder, tokenizer, number_segments=number_segments) for folder in folders)
    transform = PromptTransform(prompts, tuple(ExampleRows(one.dataset.folder) for one in prompts))
    places = [
        (which, example, turn)
        for which, one in enumerate(prompts)
        for example, turns in enumerate(one.counts.tolist())
        for turn in range(turns)
    ]
    kept = places if max_prompt_tokens is None else _fitting(transform, places, max_prompt_tokens)
    chosen = ChosenPrompts(transform, tuple(kept), len(places), max_prompt_tokens)
    if not chosen.places:
        raise ConfigError(f"no prompt is left to train on: {chosen.left_out}; raise the limit or use another dataset")
    return chosen


def _fitting(transform: PromptTransform, places: Sequence[Place], limit: int) -> Iterator[Place]:
    """Yield the places of prompts of at most `limit` tokens; only those that are close to it are tokenized."""
    for which, example, turn in places:
        prompts, plan = transform.prompts[which], transform.prompts[which].dataset.plans.plan(example)
        if prompts.shortest(plan.segment_ids) > limit:
            continue
        is_clear = prompts.longest(plan.segment_ids, plan.n_tokens) <= limit
        if is_clear or transform.at(which, example, turn)["prompt_tokens"] <= limit:
            yield which, example, turn
