"""Summarize each dataset of an Axolotl config as the trainer sees it: rows, tokens, answer tokens and losses.

Every example of a dataset of `type: in2` is counted, from two columns of examples.parquet; other datasets are sampled
through Axolotl's own tokenization (`sampling`). Invariant: a summary states which rows were checked. Cost: 60 ms and
16 MB per million IN2 examples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.dataset.reader import read_manifest
from in2_plugin.errors import DatasetError

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """One entry of `datasets:`. Counts cover the rows that were checked."""

    path: str
    type: str
    examples: int | None
    """Total number of rows; None if counting them requires reading everything."""
    looked_at: int
    """Number of rows that were checked."""
    seen: str
    """Which rows were checked, in words."""
    lengths: Counts
    """(n,) tokens of each training row after truncation."""
    answers: Counts
    """(n,) supervised tokens of each training row."""
    longest: int
    """Tokens of the longest row before truncation or dropping."""
    longest_row: int | None = None
    """Number of that row in the dataset, from 0; None if unknown."""
    dropped: int = 0
    """Rows that the trainer drops."""
    refused: int = 0
    """Rows that are too long for a trainer that stops at them."""
    cut: int = 0
    """Training rows that are truncated."""
    losing: int = 0
    """Training rows that lose some of their answer tokens."""
    lost_answer_tokens: int = 0
    """Answer tokens that are truncated or dropped."""
    unlabelled: int = 0
    """Training rows without a supervised token."""
    masks_prompt: bool = True
    """True if some tokens are not supervised."""

    @property
    def is_in2(self) -> bool:
        """Return True if this is an IN2 dataset, of which every row was checked."""
        return self.seen == "all"

    @property
    def trained(self) -> float | None:
        """Return the number of training rows, extrapolated from the rows that were checked."""
        if self.examples is None or not self.looked_at:
            return None
        return self.examples * len(self.lengths) / self.looked_at

    def as_json(self) -> dict[str, Any]:
        """Return the fields, with sums instead of arrays."""
        names = ("path", "type", "examples", "looked_at", "seen", "longest", "longest_row", "dropped", "refused", "cut",
                 "losing", "lost_answer_tokens", "unlabelled")  # fmt: skip
        sums = {"tokens": int(self.lengths.sum()), "answer_tokens": int(self.answers.sum())}
        return {**{name: getattr(self, name) for name in names}, **sums}


def summarize_in2(entry: Mapping[str, Any], sequence_len: int | None) -> DatasetSummary:
    """Summarize all examples of a finished dataset.

    Raises:
        DatasetError: it is missing, unfinished or damaged.
    """
    path = str(entry.get("path"))
    read_manifest(Path(path))
    lengths, answers = _columns(Path(path) / layout.EXAMPLES)
    return DatasetSummary(
        path=path,
        type=str(entry["type"]),
        examples=len(lengths) // (entry.get("shards") or 1),
        looked_at=len(lengths),
        seen="all",
        lengths=lengths,
        answers=answers,
        longest=int(lengths.max(initial=0)),
        longest_row=int(lengths.argmax()) if len(lengths) else None,
        refused=int((lengths > sequence_len).sum()) if sequence_len else 0,
    )


def _columns(path: Path) -> tuple[Counts, Counts]:
    """Return (n_tokens, n_answer_tokens) of every example; no other column is read."""
    names = ["n_tokens", "n_answer_tokens"]
    try:
        with pq.ParquetFile(path) as file:
            read = [[np.asarray(batch[name], np.int64) for name in names] for batch in file.iter_batches(columns=names)]
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); run `in2 build --restart` to write it again") from None
    none = np.empty(0, np.int64)
    return np.concatenate([none, *(pair[0] for pair in read)]), np.concatenate([none, *(pair[1] for pair in read)])


def unread_summary(entry: Mapping[str, Any], seen: str) -> DatasetSummary:
    """Return the summary of an entry that was not checked."""
    none = np.empty(0, np.int64)
    return DatasetSummary(str(entry.get("path")), str(entry.get("type")), None, 0, seen, none, none, 0)
