"""Convert rows of examples.parquet to the formats of `in2 export --to`.

Invariant: in formats with a loss mask (`tokenized`, `axolotl`, and `prompt-completion` of FILM's form), the trainer's
ids and labels equal those of `IN2Dataset.render`. Each row is checked; a row that the format cannot represent is an
error. Cost: rendering for `tokenized`, and about 4 ms per 1K tokens for text formats with a check.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from in2_plugin.corpus.tokenizer import TextTokenizer
from in2_plugin.dataset.prompts import QuestionPrompts
from in2_plugin.dataset.reader import IN2Dataset, turns_of
from in2_plugin.errors import TokenizerError

Row = Mapping[str, Any]


class Format(StrEnum):
    """Format of an export."""

    MESSAGES = "messages"
    """Conversations; the trainer's chat template determines the ids, and its settings the loss."""
    PROMPT_COMPLETION = "prompt-completion"
    """One row per turn, for TRL: loss on the completion."""
    TOKENIZED = "tokenized"
    """Ids and labels, for TRL, Axolotl and other trainers."""
    AXOLOTL = "axolotl"
    """Text segments with and without loss, for Axolotl's `type: input_output`."""
    GRPO = "grpo"
    """One row per question about a context: a prompt, and what rewards compare."""


MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
TEXT_SEGMENTS = pa.list_(pa.struct([("label", pa.bool_()), ("text", pa.string())]))
PART = ("part", pa.string())
PROMPTS = pa.schema(
    [
        ("prompt", MESSAGES),
        ("answer", pa.string()),
        ("gold_ids", pa.list_(pa.int32())),
        ("depth", pa.float32()),
        ("kind", pa.string()),
        ("prompt_tokens", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class Conversion:
    """Converts rows of one dataset to one format. Pickles as a path and the JSON of a tokenizer."""

    dataset: IN2Dataset
    format: Format
    tokenizer: TextTokenizer
    trainer_adds_bos: bool = False
    """True if the trainer's tokenizer adds the beginning-of-sequence token to plain text."""
    prompts: QuestionPrompts | None = None
    """Makes the rows of `grpo`."""
    max_prompt_tokens: int | None = None
    """Rows of `grpo` with longer prompts are left out."""

    @property
    def is_film(self) -> bool:
        """True if the text has FILM's literal form, which is not a chat template."""
        return self.dataset.manifest.template == "film"

    @property
    def schema(self) -> pa.Schema:
        """Columns of the export."""
        if self.format is Format.MESSAGES:
            return pa.schema([("messages", MESSAGES), PART])
        if self.format is Format.PROMPT_COMPLETION:
            text = pa.string() if self.is_film else MESSAGES
            return pa.schema([("prompt", text), ("completion", text), PART])
        if self.format is Format.AXOLOTL:
            return pa.schema([("segments", TEXT_SEGMENTS), PART])
        if self.format is Format.GRPO:
            return PROMPTS
        # the types of Axolotl's own formats, so that datasets can be concatenated
        ids, mask, labels = pa.list_(pa.int32()), pa.list_(pa.int8()), pa.list_(pa.int64())
        return pa.schema([("input_ids", ids), ("attention_mask", mask), ("labels", labels)])

    def __call__(self, rows: Sequence[Row]) -> pa.RecordBatch:
        """Convert rows of examples.parquet to rows of the export.

        Raises:
            TokenizerError: the text of a row has other ids in parts than as a whole.
            DatasetError: the length of a row differs from its plan.
        """
        convert = self._converter()
        return pa.RecordBatch.from_pylist([one for row in rows for one in convert(row)], schema=self.schema)

    def _converter(self) -> Callable[[Row], Iterator[dict[str, Any]]]:
        if self.format is Format.MESSAGES:
            return self._messages
        if self.format is Format.TOKENIZED:
            return self._tokenized
        if self.format is Format.AXOLOTL:
            return self._pieces
        if self.format is Format.GRPO:
            return self._prompts
        return self._plain_turns if self.is_film else self._turns

    def _messages(self, row: Row) -> Iterator[dict[str, Any]]:
        yield {"messages": self.dataset.messages(row), "part": row["part"]}

    def _tokenized(self, row: Row) -> Iterator[dict[str, Any]]:
        rendered = self.dataset.render(row)
        ids = rendered.input_ids.astype(np.int32)
        mask = np.ones(len(ids), np.int8)
        yield {"input_ids": ids, "attention_mask": mask, "labels": rendered.labels}

    def _turns(self, row: Row) -> Iterator[dict[str, Any]]:
        turns, renderer = turns_of(row), self.dataset.renderer
        for n in range(1, len(turns) + 1):
            # rendered for each number of turns, because a template may format the last turn differently
            messages = renderer.messages(row["segment_ids"], turns[:n])
            yield {"prompt": messages[:-1], "completion": messages[-1:], "part": row["part"]}

    def _plain_turns(self, row: Row) -> Iterator[dict[str, Any]]:
        turns, renderer = turns_of(row), self.dataset.renderer
        for n in range(1, len(turns) + 1):
            text = renderer.text(row["segment_ids"], turns[:n])
            rendered = renderer.render(row["segment_ids"], turns[:n])
            *_, (start, stop) = rendered.answers
            encoding = self.tokenizer.encode(text)
            cut = encoding.offsets[start][0]
            prompt, completion = text[:cut], text[cut:]
            ids = rendered.input_ids.tolist()
            if encoding.ids != ids or self.tokenizer.encode(prompt).ids != ids[:start] or stop != len(ids):
                raise _splitting_error(self.tokenizer, self.format, text, cut)
            if self.trainer_adds_bos:
                prompt = prompt.removeprefix(self.tokenizer.bos)
            yield {"prompt": prompt, "completion": completion, "part": row["part"]}

    def _pieces(self, row: Row) -> Iterator[dict[str, Any]]:
        rendered, text = self.dataset.render(row), self.dataset.text(row)
        encoding = self.tokenizer.encode(text)
        ids = rendered.input_ids.tolist()
        if encoding.ids != ids:
            raise _splitting_error(self.tokenizer, self.format, text, 0)
        borders = [0, *(border for answer in rendered.answers for border in answer), len(ids)]
        places = [encoding.offsets[border][0] if border < len(ids) else len(text) for border in borders]
        pieces = []
        for i, (start, stop) in enumerate(pairwise(borders)):
            if start == stop:
                continue  # no text after the last answer
            piece = self._text_with_ids(text[places[i] : places[i + 1]], ids[start:stop])
            if piece is None:
                raise _splitting_error(self.tokenizer, self.format, text, places[i])
            pieces.append({"label": i % 2 == 1, "text": piece})
        yield {"segments": pieces, "part": row["part"]}

    def _prompts(self, row: Row) -> Iterator[dict[str, Any]]:
        assert self.prompts is not None
        most = self.max_prompt_tokens
        yield from (one for one in self.prompts.each(row) if most is None or one["prompt_tokens"] <= most)

    def _text_with_ids(self, text: str, ids: list[int]) -> str | None:
        """Return `text` in the form that has these ids: unchanged, or without the leading space that SentencePiece
        tokenizers add to any text; None if neither has them."""
        return next((one for one in (text, text.removeprefix(" ")) if self.tokenizer.encode(one).ids == ids), None)


def _splitting_error(tokenizer: TextTokenizer, form: Format, text: str, place: int) -> TokenizerError:
    around = text[max(0, place - 20) : place + 20]
    return TokenizerError(
        f"{tokenizer.name}: {around!r} has other ids in parts than as a whole, so `--to {form}` would train on "
        "other tokens; export with `--to tokenized`"
    )
