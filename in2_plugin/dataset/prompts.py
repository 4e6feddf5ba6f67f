"""Turn examples into prompts for reinforcement learning: one per question, with the columns that rewards compare.

A prompt is the context of the example and one of its questions, without the questions and answers before it. Segments
can be numbered, so that a model can cite them. Invariant: `prompt_tokens` is what the trainer counts when it applies
the chat template. Cost: about 2 ms per 1K tokens, to count them; choosing prompts by length tokenizes only those whose
length is not clear from the plans.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from in2_plugin.config import PARTS
from in2_plugin.corpus.splicing import SEPARATOR
from in2_plugin.corpus.tokenizer import ModelTokenizer, TextTokenizer
from in2_plugin.dataset.plans import depth_of
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.errors import ConfigError
from in2_plugin.examples.rendering import SegmentIds
from in2_plugin.prompt_text import CITING, SEGMENT_NUMBER

Row = Mapping[str, Any]
COLUMNS = ("prompt", "answer", "gold_ids", "depth", "kind", "prompt_tokens")
GENERAL = "general"
"""The part of conversations without a context, which have no gold and no prompts."""
SLACK = 16
"""Tokens that a prompt may have more than its example: templates end a prompt and an answered turn differently."""
MESSAGE = "@@in2-message@@"
"""Stands for the message in a rendered prompt; it survives a template that strips white space."""
MERGED = 2
"""Tokens by which a number may change those of the text after it."""


@dataclass(frozen=True, slots=True)
class QuestionPrompts:
    """Makes prompts from one dataset. Pickles with the JSON of its tokenizer."""

    dataset: IN2Dataset
    tokenizer: TextTokenizer
    number_segments: bool
    """Write `[1] `, `[2] `, ... before the segments, and ask for the numbers of those with the answer."""
    edges: tuple[str, str]
    """Text of the chat template before and after the message, the beginning of the assistant's turn included."""

    @classmethod
    def open(cls, folder: str | Path, tokenizer: ModelTokenizer, *, number_segments: bool = False) -> Self:
        """Open a finished dataset.

        Raises:
            ConfigError: it was built with `template: film`.
            DatasetError: the folder is missing, unfinished or not an IN2 dataset.
            TokenizerMismatch: it was built for another tokenizer or chat template.
        """
        dataset = IN2Dataset(folder, tokenizer)
        if dataset.manifest.template == "film":
            raise ConfigError(
                f"{folder}: was built with `template: film`, but a trainer applies the model's chat template to "
                "prompts; build the dataset with `template: chat`"
            )
        dataset.require_stored_ids()
        before, _, after = tokenizer.render_chat([{"role": "user", "content": MESSAGE}]).partition(MESSAGE)
        return cls(dataset, tokenizer, number_segments, (before, after))

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """(n_examples,) prompts of each example; 0 without a context, where there is no gold."""
        plans = self.dataset.plans
        counts: npt.NDArray[np.int64] = np.where(plans.part == PARTS.index(GENERAL), 0, plans.n_turns)
        return counts

    def of(self, row: Row, turn: int) -> dict[str, Any]:
        """Return COLUMNS for a question of a row of examples.parquet.

        `gold_ids` are numbers of segments in reading order, from 1, whether the prompt shows them or not; `depth` is
        None without a single position; `prompt_tokens` includes the beginning of the assistant's turn.
        """
        asked, ids = row["turns"][turn], row["segment_ids"]
        message = self._message(ids, asked["question"])
        depth = depth_of(row, asked)
        values = (
            [message],
            asked["answer"],
            sorted(ids.index(span["segment_id"]) + 1 for span in asked["gold"]),
            None if np.isnan(depth) else depth,
            asked["kind"],
            self._count(message["content"]),
        )
        return dict(zip(COLUMNS, values, strict=True))

    def each(self, row: Row) -> Iterator[dict[str, Any]]:
        """Yield COLUMNS for each question of a row; none without a context."""
        if row["part"] != GENERAL:
            for turn in range(len(row["turns"])):
                yield self.of(row, turn)

    def _message(self, segment_ids: Sequence[int], question: str) -> dict[str, str]:
        texts = self.dataset.store.texts(segment_ids)
        if self.number_segments:
            texts = [f"{SEGMENT_NUMBER.format(n)}{text}" for n, text in enumerate(texts, 1)]
            question += CITING
        return self.dataset.renderer.template.messages(SEPARATOR.join(texts), [(question, "")])[0]

    def shortest(self, segment_ids: SegmentIds) -> int:
        """Return a lower bound of the tokens of a prompt about these segments, without reading their text."""
        return int(self.dataset.store.n_tokens[np.asarray(segment_ids)].sum()) - SLACK

    def longest(self, segment_ids: SegmentIds, n_tokens: int) -> int:
        """Return an upper bound of the tokens of a prompt from an example of `n_tokens`, without reading its text."""
        if not self.number_segments:
            return n_tokens + SLACK
        marks = sum(len(SEGMENT_NUMBER.format(n)) + MERGED for n in range(1, len(segment_ids) + 1))
        return n_tokens + SLACK + marks + len(CITING)

    def _count(self, content: str) -> int:
        before, after = self.edges
        return len(self.tokenizer.encode(f"{before}{content}{after}").ids)
