"""A map-style dataset that assembles examples from the plans of IN2 datasets when the trainer reads them.

Invariants: nothing is written; tokens are read only on access; lengths are known without reading tokens; a dataset
pickles as its paths, so DataLoader workers start at once. Cost: about 40 us per example of 16K tokens. It also
implements the few parts of `datasets.Dataset` that Axolotl uses: `column_names`, `["length"]` and `remove_columns`.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.plans import Plans
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.training.loss_by_depth import codes

Item = dict[str, Any]
EXAMPLE, ANSWERS, TEACHER = "in2_example", "in2_answers", "in2_teacher"
"""Keys of an item that are not model inputs: its number, a code per answer token (`loss_by_depth.codes`), and what its
teacher's `of` returns."""


class ExampleTeacher(Protocol):
    """Knows something about the answers of each example of a dataset folder; pickles as its path."""

    def of(self, example: int) -> Any: ...


class LazyExamples(Dataset[Item]):
    """Items have `input_ids`, `attention_mask`, `labels` (numpy arrays, (n_tokens,)), EXAMPLE and ANSWERS.

    With teachers, they also have TEACHER.
    """

    def __init__(self, plans: Sequence[Plans], *, packed: bool = False) -> None:
        """Take opened plans; `packed` adds `position_ids`, which separate the examples of a packed row."""
        self._plans = tuple(plans)
        self._begins = np.cumsum([0, *map(len, self._plans)])
        self._chosen: npt.NDArray[np.int64] | None = None
        self.teachers: tuple[Any, ...] = ()
        columns = ["input_ids", "attention_mask", "labels", *(["position_ids", "length"] if packed else [])]
        self.column_names = columns

    @classmethod
    def open(cls, folders: Iterable[str | Path], tokenizer: ModelTokenizer, *, packed: bool = False) -> "LazyExamples":
        """Open finished datasets and concatenate them.

        Raises:
            DatasetError: a folder is missing, unfinished or not an IN2 dataset.
            TokenizerMismatch: it was built for another tokenizer or chat template.
        """
        datasets = [IN2Dataset(folder, tokenizer) for folder in folders]
        for dataset in datasets:
            dataset.require_stored_ids()
        return cls([dataset.plans for dataset in datasets], packed=packed)

    def __len__(self) -> int:
        return int(self._begins[-1]) if self._chosen is None else len(self._chosen)

    @property
    def folders(self) -> list[Path]:
        """Return the dataset folders."""
        return [plans.dataset for plans in self._plans]

    @property
    def without_openings(self) -> list[Path]:
        """Return the folders of earlier versions, where the openings of answers are assumed."""
        return [plans.dataset for plans in self._plans if not plans.knows_openings]

    @property
    def lengths(self) -> npt.NDArray[np.uint32]:
        """Return (n,) the number of tokens of each example, without reading tokens."""
        each = [plans.n_tokens for plans in self._plans]
        lengths = each[0] if len(each) == 1 else np.concatenate(each)
        return lengths if self._chosen is None else lengths[self._chosen]

    @property
    def n_answer_tokens(self) -> int:
        """Return the total number of supervised tokens."""
        each = np.concatenate([plans.n_answer_tokens for plans in self._plans])
        return int((each if self._chosen is None else each[self._chosen]).sum())

    def __getitem__(self, number: Any) -> Any:
        if number == "length":
            return self.lengths
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        return self._item(int(number) % len(self))

    def _item(self, number: int) -> Item:
        place = number if self._chosen is None else int(self._chosen[number])
        which = int(np.searchsorted(self._begins, place, side="right")) - 1
        plans, local = self._plans[which], place - int(self._begins[which])
        ids, labels = plans.assemble(local)
        item = {"input_ids": ids, "labels": labels, EXAMPLE: place, ANSWERS: codes(plans, local)}
        if self.teachers:
            item[TEACHER] = self.teachers[which].of(local)
        for name in self.column_names:
            if name == "attention_mask":
                item[name] = np.ones(len(ids), np.int64)
            elif name == "position_ids":
                item[name] = np.arange(len(ids))
        return item

    def remove_columns(self, names: str | Sequence[str]) -> "LazyExamples":
        """Return the same examples without the given columns."""
        removed = [names] if isinstance(names, str) else names
        other = copy(self)
        other.column_names = [name for name in self.column_names if name not in removed]
        return other

    def taught_by(self, teachers: Sequence[ExampleTeacher]) -> "LazyExamples":
        """Return the same examples with a teacher for each folder."""
        other = copy(self)
        other.teachers = tuple(teachers)
        return other

    def select(self, numbers: npt.NDArray[np.int64]) -> "LazyExamples":
        """Return the examples with these numbers, in this order."""
        other = copy(self)
        other._chosen = numbers if self._chosen is None else self._chosen[numbers]
        return other

    def split(self, held_out: int, seed: int) -> tuple["LazyExamples", "LazyExamples"]:
        """Return (rest, held out), with `held_out` random examples in the second."""
        order = np.random.default_rng(seed).permutation(len(self))
        return self.select(np.sort(order[held_out:])), self.select(np.sort(order[:held_out]))
