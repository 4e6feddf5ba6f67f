"""Run `in2 teach --sample`: write the missing shards of answers, then the dataset that has them.

Invariant: killed at any moment and run again, it gives the same bytes on the same machine, and repeats one shard at
most. The dataset with the questions gets gold rows, and is not changed otherwise.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.corpus.screening.excluded_folders import with_contents
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.build_record import claim, make_folder, stored_config
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.errors import ConfigError
from in2_plugin.io.atomic import write_text_atomic
from in2_plugin.io.lock import folder_lock
from in2_plugin.pipeline.build import build_dataset, write_errors_explained
from in2_plugin.pipeline.run import NoProgress, Progress
from in2_plugin.sharing.card import with_answer_writer
from in2_plugin.teaching.rows import ExamplesIdentity, GoldOnlyRows
from in2_plugin.teaching.run import make_gold_rows
from in2_plugin.teaching.store import SHARD_EXAMPLES
from in2_plugin.teaching.writing.dataset import make_dataset
from in2_plugin.teaching.writing.decoding import AnswerDecoding, AnsweringTeacher
from in2_plugin.teaching.writing.store import WritingFacts, WritingReport, WrittenAnswers
from in2_plugin.teaching.writing.writer import AnswerWriter


def write_answers(
    folder: Path, model: str, output: Path, decoding: AnswerDecoding | None = None, *, dtype: str | None = None,
    shard_examples: int = SHARD_EXAMPLES, progress: Progress | None = None,
) -> WritingReport:  # fmt: skip
    """Write a dataset like `folder`, whose answers about a context are those of a model that reads the gold alone.

    Starts worker processes: call it under `if __name__ == "__main__":` in a script.

    Args:
        model: folder or hub name of the teacher.
        output: the new dataset folder, or one that an earlier run began.
        dtype: `float32` or `bfloat16`; by default that of the earlier run, or what is fastest here.
        shard_examples: examples per shard of answers that are not begun yet.

    Raises:
        DatasetError, TokenizerError: the dataset is missing or incomplete, or has another tokenizer than the model.
        ConfigError: settings or model are not possible, or `output` has something else.
        ModelError: the model cannot be loaded.
        FolderLocked: another process writes to `output`.
        AuditFailed: the new dataset fails its audit.
    """
    decoding, progress = decoding or AnswerDecoding(), progress or NoProgress()
    decoding.require_possible()
    dataset = IN2Dataset(folder, load_tokenizer(model))
    config = _config(dataset, output, decoding)
    load_tokenizer(config.tokenizer)  # the audit needs it at the end
    _require_own(output, ExamplesIdentity.of(folder))
    rows = make_gold_rows(folder, model, progress)
    make_folder(output)
    own = output / layout.WRITTEN
    with write_errors_explained(output), _claimed(own, config):
        written = _written(dataset, rows, model, own, decoding, dtype, shard_examples, progress)
        with progress.stage("writing examples", len(dataset)) as step:
            report = make_dataset(dataset, config, written, step)
        build_dataset(config, progress)
        card = output / layout.CARD
        write_text_atomic(card, with_answer_writer(card.read_text(encoding="utf-8"), f"{report.sentence()}."))
    return report


@contextmanager
def _claimed(own: Path, config: BuildConfig) -> Iterator[None]:
    """Bind the folder to its build file, and lock the answers in it."""
    claim(config.output, config)
    own.mkdir(exist_ok=True)
    with folder_lock(own, name=layout.TEACHING_LOCK):
        yield


def _config(dataset: IN2Dataset, output: Path, decoding: AnswerDecoding) -> BuildConfig:
    """Return the build file of the new dataset."""
    config = with_contents(stored_config(dataset.folder, str(dataset.folder / layout.BUILD)))
    most = config.audit.answer_tokens[1]
    if decoding.max_new_tokens > most:
        raise ConfigError(
            f"--max-new-tokens {decoding.max_new_tokens}: the build file allows answers of {most:,} tokens "
            "(`audit.answer_tokens`); lower it"
        )
    return config.model_copy(update={"output": output})


def _require_own(output: Path, source: ExamplesIdentity) -> None:
    """Raise, before the model is loaded, unless a folder is new or has answers to these examples."""
    try:
        WritingFacts.read(output / layout.WRITTEN).require_examples(output, source)
    except FileNotFoundError:
        if any((output / name).exists() for name in layout.STAGES.values()):
            raise ConfigError(
                f"{output}: is a dataset whose answers `in2 teach --sample` did not write; choose another --output"
            ) from None


def _written(
    dataset: IN2Dataset, rows: GoldOnlyRows, model: str, own: Path, decoding: AnswerDecoding, dtype: str | None,
    shard_examples: int, progress: Progress,
) -> WrittenAnswers:  # fmt: skip
    """Return all answers, after the missing ones were written; the model is in memory until then."""
    teacher = AnsweringTeacher.load(model, dtype or _stored_dtype(own))
    facts = WritingFacts(model, teacher.weights_digest(), teacher.dtype, rows.source, decoding, shard_examples)
    written = WrittenAnswers.claim(own, facts, len(rows))
    writer = AnswerWriter(dataset, rows, teacher, decoding)
    missing = [(shard, written.examples(shard)) for shard in written.missing()]
    total, everything = (
        sum(map(writer.n_questions, some)) for some in ((one for _, one in missing), [range(len(rows))])
    )
    if total < everything:
        progress.say(f"{own}: {everything - total:,} of {everything:,} questions are answered already")
    with progress.stage("writing answers", total) as step:
        for shard, examples in missing:
            written.write(shard, writer.write(examples, step))
    return written


def _stored_dtype(folder: Path) -> str | None:
    try:
        return WritingFacts.read(folder).dtype
    except FileNotFoundError:
        return None
