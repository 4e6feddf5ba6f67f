"""Wrap IN2 examples in the `datasets.Dataset` that TRL expects: rows are numbers, a transform assembles token ids.

TRL accepts only a `datasets.Dataset` (1.14 checks it), and a transform is the only lazy form that it allows
(`dataset_kwargs={"skip_prepare_dataset": True}`). Invariant: the transform pickles as paths, because `datasets` pickles
it to compute a fingerprint and to pass it to workers. Cost: 4 bytes per example, plus the cost of `LazyExamples`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from datasets import Dataset

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.errors import ConfigError
from in2_plugin.training.dataset import ANSWERS, EXAMPLE, TEACHER, LazyExamples
from in2_plugin.training.prompts import load_prompts

Batch = Mapping[str, Any]
Task = Literal["sft", "grpo"]


@dataclass(frozen=True, slots=True)
class ExampleTransform:
    """Turns example numbers into `input_ids` and `labels`, each a list of numpy arrays."""

    examples: LazyExamples
    with_answers: bool = False
    """Also return EXAMPLE, ANSWERS and TEACHER, which `IN2SFTTrainer` removes before the forward pass."""

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        items = [self.examples[number] for number in batch[EXAMPLE]]
        names = ["input_ids", "labels", *((EXAMPLE, ANSWERS, TEACHER) if self.with_answers else ())]
        return {name: [item[name] for item in items] for name in names if all(name in item for item in items)}


def load_in2_dataset(
    path: str | Path | Iterable[str | Path],
    tokenizer: Any,
    *,
    task: Task = "sft",
    number_segments: bool = False,
    max_prompt_tokens: int | None = None,
) -> Dataset:
    """Load one finished IN2 dataset, or several concatenated, for TRL's `SFTTrainer` or `GRPOTrainer`.

    Nothing is tokenized or written. For `sft`, train with `SFTConfig(**sft_settings())`: TRL's own preparation would
    refuse such a dataset, and its default `max_length` is 1,024.

    Args:
        path: the folder that `in2 build` wrote, or several.
        tokenizer: the tokenizer of the model, as `AutoTokenizer` loads it.
        task: the trainer.
        number_segments: for `grpo`: number the segments in the prompt, and ask for the numbers of those with the
            answer.
        max_prompt_tokens: for `grpo`: leave out longer prompts; a log message counts them.

    Returns:
        for `sft`, a dataset whose rows hold `input_ids` and `labels`, numpy arrays (n_tokens,); for `grpo`, one row per
        question with `dataset.prompts.COLUMNS`. It supports `select`, `train_test_split` and `shuffle` like any other.

    Raises:
        ConfigError: `task` is unknown, an option is for another one, a dataset was built with `template: film`, or no
            prompt is left.
        DatasetError: a folder is missing, unfinished or not an IN2 dataset.
        TokenizerMismatch: it was built for another tokenizer or chat template.
    """
    if task not in get_args(Task):
        raise ConfigError(f'`task="{task}"` is not one of "sft" and "grpo"; change it')
    folders = [path] if isinstance(path, str | Path) else list(path)
    if task == "grpo":
        return load_prompts(
            folders, ModelTokenizer(tokenizer), number_segments=number_segments, max_prompt_tokens=max_prompt_tokens
        )
    if number_segments or max_prompt_tokens is not None:
        raise ConfigError('`number_segments` and `max_prompt_tokens` need `task="grpo"`; add it or remove them')
    examples = LazyExamples.open(folders, ModelTokenizer(tokenizer)).remove_columns("attention_mask")
    numbers = np.arange(len(examples), dtype=np.uint32)
    return Dataset.from_dict({EXAMPLE: numbers}).with_transform(ExampleTransform(examples))


def transform_of(dataset: Any) -> ExampleTransform | None:
    """Return the transform of a dataset from `load_in2_dataset`, or None for any other dataset."""
    if not isinstance(dataset, Dataset):
        return None
    transform = dataset.format["format_kwargs"].get("transform")
    return transform if isinstance(transform, ExampleTransform) else None


def lengths_of(dataset: Any) -> npt.NDArray[np.uint32] | None:
    """Return (n,) the tokens per row of a dataset from `load_in2_dataset`, without reading them; None for any other."""
    transform = transform_of(dataset)
    if transform is None:
        return None
    lengths: npt.NDArray[np.uint32] = transform.examples.lengths[dataset.with_format("numpy")[:][EXAMPLE]]
    return lengths


def longest_of(*datasets: Any) -> int:
    """Return the tokens of the longest example in datasets from `load_in2_dataset`; skip other datasets."""
    lengths = [lengths_of(dataset) for dataset in datasets]
    return max((int(each.max()) for each in lengths if each is not None and len(each)), default=0)


def with_answers(dataset: Any, teach: Callable[[LazyExamples], LazyExamples] | None = None) -> Any:
    """Return the dataset, or each dataset of a mapping, with EXAMPLE and ANSWERS in its rows.

    Args:
        teach: returns examples with teachers, for TEACHER in the rows.
    """
    if isinstance(dataset, Mapping):
        return {name: with_answers(one, teach) for name, one in dataset.items()}
    transform = transform_of(dataset)
    if transform is None:
        return dataset
    examples = teach(transform.examples) if teach else transform.examples
    return dataset.with_transform(replace(transform, examples=examples, with_answers=True))
