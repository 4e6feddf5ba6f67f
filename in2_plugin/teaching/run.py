"""Run `in2 teach`: gold rows, then the missing shards of a teacher, then its measures.

Invariant: killed at any moment and run again, it gives the same bytes on the same machine, and repeats one shard at
most. The lock of a teacher's folder keeps a second process out.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from in2_plugin import layout
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.reader import IN2Dataset, read_manifest
from in2_plugin.io.lock import file_lock, folder_lock
from in2_plugin.pipeline.build import write_errors_explained
from in2_plugin.pipeline.run import NoProgress, Progress
from in2_plugin.teaching.measure import (
    ContextComparison,
    GoldAnswer,
    compare,
    gold_answers,
    require_contexts_fit,
    sampled_examples,
)
from in2_plugin.teaching.rows import GoldOnlyRows, write_gold_rows
from in2_plugin.teaching.score import HFTeacher
from in2_plugin.teaching.store import SHARD_EXAMPLES, TOP_K, TeacherFacts, TeacherShards, TeacherStore, require_name


@dataclass(frozen=True, slots=True)
class TaughtDataset:
    """The scores of a teacher, and what they say about it."""

    store: TeacherStore
    answers: Sequence[GoldAnswer]
    compared: Sequence[ContextComparison]
    """Empty without `--compare`."""


def make_gold_rows(folder: Path, tokenizer: str | None = None, progress: Progress | None = None) -> GoldOnlyRows:
    """Write the gold rows of a dataset, unless it has them.

    Args:
        tokenizer: folder or hub name; that of the build by default.

    Raises:
        ConfigError: the folder cannot be written.
        DatasetError: the dataset is missing or incomplete, or an answer has other ids with its gold alone.
        TokenizerError: the tokenizer is not available, or is another one than that of the build.
    """
    return _gold_rows(_opened(folder, tokenizer), progress or NoProgress())


def teach(
    folder: Path, model: str, name: str, *, top_k: int = TOP_K, compared: int = 0, dtype: str | None = None,
    shard_examples: int = SHARD_EXAMPLES, progress: Progress | None = None,
) -> TaughtDataset:  # fmt: skip
    """Score all answers of a dataset with their gold segments alone, and measure the scores.

    Args:
        model: folder or hub name of the teacher.
        name: under which training finds the scores.
        dtype: `float32` or `bfloat16`; by default that of the scores so far, or what is fastest here.
        compared: number of examples to read with the whole context, too.
        shard_examples: examples per shard of a teacher that has none yet.

    Raises:
        DatasetError, TokenizerError: as `make_gold_rows`, for the tokenizer of the model.
        ConfigError: the name is not possible or belongs to other scores; a row or context does not fit the model; the
            folder cannot be written.
        ModelError: the model cannot be loaded.
        FolderLocked: another process writes scores under this name.
    """
    require_name(name)
    progress = progress or NoProgress()
    dataset = _opened(folder, model)
    rows = _gold_rows(dataset, progress)
    teacher = HFTeacher.load(model, dtype or _stored_dtype(folder / layout.TEACHER / name))
    examples = sampled_examples(dataset.plans, compared)
    require_contexts_fit(teacher, dataset.plans, examples)
    facts = TeacherFacts(model, teacher.weights_digest(), teacher.dtype, top_k, rows.source, shard_examples)
    own = folder / layout.TEACHER / name
    with _write_errors_explained(folder):
        own.mkdir(parents=True, exist_ok=True)
        with folder_lock(own, name=layout.TEACHING_LOCK):
            _score(teacher, TeacherShards.claim(rows, name, facts), progress)
            store = TeacherStore.open(folder, name)
            found = _compared(teacher, dataset, store, examples, progress) if examples else []
    return TaughtDataset(store, list(gold_answers(dataset.plans, store)), found)


def _compared(
    teacher: HFTeacher, dataset: IN2Dataset, store: TeacherStore, examples: Sequence[int], progress: Progress
) -> list[ContextComparison]:
    with progress.stage("reading whole contexts", len(examples)) as step:
        return compare(teacher, dataset.plans, store, examples, step)


def _stored_dtype(folder: Path) -> str | None:
    """Return the dtype of an earlier run: which one is fastest is measured, and may come out differently next time."""
    try:
        return TeacherFacts.read(folder).dtype
    except FileNotFoundError:
        return None


def _opened(folder: Path, tokenizer: str | None) -> IN2Dataset:
    return IN2Dataset(folder, load_tokenizer(tokenizer or read_manifest(folder).tokenizer))


def _gold_rows(dataset: IN2Dataset, progress: Progress) -> GoldOnlyRows:
    # a second process waits for the rows of the first
    with (
        _write_errors_explained(dataset.folder),
        file_lock(dataset.folder / layout.GOLD_ROWS / layout.TEACHING_LOCK),
        progress.stage("writing gold rows", len(dataset)) as step,
    ):
        return write_gold_rows(dataset, step)


def _write_errors_explained(folder: Path) -> AbstractContextManager[None]:
    return write_errors_explained(
        folder, "finished shards are kept. Make it writable or free disk space, then run again"
    )


def _score(teacher: HFTeacher, shards: TeacherShards, progress: Progress) -> None:
    """Write the missing shards."""
    missing = list(shards.missing())
    total = sum(shards.rows.n_questions(shards.examples(shard)) for shard in missing)
    everything = shards.rows.n_questions(range(len(shards.rows)))
    if total < everything:
        progress.say(f"{shards.folder}: {everything - total:,} of {everything:,} questions are scored already")
    with progress.stage("scoring questions", total) as step:
        for shard in missing:
            rows = [row for example in shards.examples(shard) for row in shards.rows.of(example)]
            shards.write(shard, *teacher.top(rows, shards.facts.top_k, step))
