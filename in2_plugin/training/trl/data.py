"""IN2 examples as the `datasets.Dataset` that TRL wants: rows are numbers, token ids are put together when asked for.

TRL takes nothing but a `datasets.Dataset` since 1.16, and a transform is the one lazy form that it lets through
(`dataset_kwargs={"skip_prepare_dataset": True}`). Invariant: the transform pickles as paths, since `datasets` pickles
it to make a fingerprint and to hand it to workers. Cost: 4 bytes an example, and what `LazyExamples` costs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from datasets import Dataset

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.training.dataset import ANSWERS, EXAMPLE, LazyExamples

Batch = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Assemble:
    """The transform: numbers of examples become `input_ids` and `labels`, each a list of numpy arrays."""

    examples: LazyExamples
    with_answers: bool = False
    """Give EXAMPLE and ANSWERS as well, which `IN2SFTTrainer` takes out again before a model sees them."""

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        items = [self.examples[number] for number in batch[EXAMPLE]]
        names = ("input_ids", "labels", *((EXAMPLE, ANSWERS) if self.with_answers else ()))
        return {name: [item[name] for item in items] for name in names}


def load_in2_dataset(path: str | Path | Iterable[str | Path], tokenizer: Any) -> Dataset:
    """A finished IN2 dataset, or several one after the other, for TRL's `SFTTrainer`.

    Nothing is tokenised or written. Train with `SFTConfig(**sft_settings())`: TRL's own preparation would refuse such a
    dataset, and its default `max_length` of 1,024 says nothing about it.

    Args:
        path: the folder that `in2 build` made, or several.
        tokenizer: the tokenizer of the model, as `AutoTokenizer` loads it.

    Returns:
        a dataset whose rows hold `input_ids` and `labels`, numpy arrays (n_tokens,); it can be selected from, split
        and shuffled as any other.

    Raises:
        DatasetError: a folder is missing, unfinished or no IN2 dataset.
        TokenizerMismatch: it was built for another tokenizer or chat template.
    """
    folders = [path] if isinstance(path, str | Path) else list(path)
    examples = LazyExamples.open(folders, ModelTokenizer(tokenizer)).remove_columns("attention_mask")
    numbers = np.arange(len(examples), dtype=np.uint32)
    return Dataset.from_dict({EXAMPLE: numbers}).with_transform(Assemble(examples))


def transform_of(dataset: Any) -> Assemble | None:
    """What puts a dataset's rows together; None when it did not come from `load_in2_dataset`."""
    if not isinstance(dataset, Dataset):
        return None
    transform = dataset.format["format_kwargs"].get("transform")
    return transform if isinstance(transform, Assemble) else None


def lengths_of(dataset: Any) -> npt.NDArray[np.uint32] | None:
    """(n,) tokens of each row of a dataset from `load_in2_dataset`, without reading them; None for any other."""
    transform = transform_of(dataset)
    if transform is None:
        return None
    lengths: npt.NDArray[np.uint32] = transform.examples.lengths[dataset.with_format("numpy")[:][EXAMPLE]]
    return lengths


def longest_of(*datasets: Any) -> int:
    """Tokens of the longest example in datasets from `load_in2_dataset`; others are passed over."""
    lengths = [lengths_of(dataset) for dataset in datasets]
    return max((int(each.max()) for each in lengths if each is not None and len(each)), default=0)


def with_answers(dataset: Any) -> Any:
    """The same dataset with EXAMPLE and ANSWERS in its rows, or for a mapping of datasets each of them."""
    if isinstance(dataset, Mapping):
        return {name: with_answers(one) for name, one in dataset.items()}
    transform = transform_of(dataset)
    return dataset if transform is None else dataset.with_transform(replace(transform, with_answers=True))
