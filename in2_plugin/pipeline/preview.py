"""Write a few questions of a build file before the build, and show them with their segments.

Invariant: answers go into the work log of the build, which does not pay for the same requests again. No other file is
written.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path

from in2_plugin import layout
from in2_plugin.config import BuildConfig, Mixture
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import ModelTokenizer, load_tokenizer
from in2_plugin.dataset.build_record import make_folder
from in2_plugin.io.lock import folder_lock
from in2_plugin.pipeline.passages import part_passages, questions_by_kind, records_writer, wanted_questions
from in2_plugin.pipeline.record_pool import LEAST_REGISTERS, n_registers
from in2_plugin.pipeline.run import say_on_stderr
from in2_plugin.pipeline.sample_store import sample_store
from in2_plugin.questions import Kind, Part, Passage, Question, QuestionWriter, Rejection
from in2_plugin.questions.writers import open_writer

SAMPLE_DOCUMENTS = 300
TRIES = 4
"""Maximum passages to ask about, per question that is wanted."""


@dataclass(frozen=True, slots=True)
class PreviewSegment:
    """A segment that was shown to the writer."""

    number: int
    text: str
    is_gold: bool


@dataclass(frozen=True, slots=True)
class PreviewResult:
    """A question or rejection with its segments and the name of their document."""

    result: Question | Rejection
    document: str
    segments: tuple[PreviewSegment, ...]


def preview(config: BuildConfig, n: int) -> Iterator[PreviewResult]:
    """Write `n` questions, split like the mixture, with one of each kind about text and records as far as `n` allows.

    Yields rejections as well, and stops after `TRIES` passages per question.

    Raises:
        In2Error: as `in2 build`, for the same steps.
    """
    tokenizer = load_tokenizer(config.tokenizer)
    is_new = not config.output.exists()
    make_folder(config.output)
    with (
        folder_lock(config.output),
        _sample(config, tokenizer) as store,
        open_writer(config.questions, config.seed, config.output / layout.WORK_LOG, say_on_stderr) as own_writer,
    ):
        for (part, kind), wanted in _split(config.mixture, n).items():
            writer = records_writer(store, config.seed) if part is Part.RECORDS else own_writer
            passages = part_passages(store, part, kind, config.lengths, config.seed)
            yield from (_with_segments(result, store) for result in _write(writer, passages, wanted))
    if is_new:
        _remove_if_empty(config.output)


def _sample(config: BuildConfig, tokenizer: ModelTokenizer) -> AbstractContextManager[SegmentStore]:
    documents = SAMPLE_DOCUMENTS if config.mixture.reads_corpus else 0
    registers = min(LEAST_REGISTERS, n_registers(config))
    return sample_store(config.output, config.corpus, config.seed, tokenizer, documents, registers)


def _write(writer: QuestionWriter, passages: Iterator[Passage], wanted: int) -> Iterator[Question | Rejection]:
    missing = wanted
    with closing(writer.write(passages, lambda: missing)) as results:
        for asked, result in enumerate(results, 1):
            yield result
            missing -= isinstance(result, Question)
            if not missing or asked == TRIES * wanted:
                return


def _split(mixture: Mixture, n: int) -> dict[tuple[Part, Kind], int]:
    records = {(part, kind): count for part, kind, count in wanted_questions(mixture) if part is Part.RECORDS}
    wanted = {(Part(kind), kind): count for kind, count in questions_by_kind(mixture).items()} | records
    split = dict.fromkeys((sort for sort, count in wanted.items() if count), 0)
    for _ in range(n):  # one of each, then to the one with the most wanted per question
        split[max(split, key=lambda sort: (not split[sort], wanted[sort] / max(1, split[sort])))] += 1
    return {sort: count for sort, count in split.items() if count}


def _with_segments(result: Question | Rejection, store: SegmentStore) -> PreviewResult:
    ids = result.segment_ids if isinstance(result, Question) else result.passage.segment_ids
    gold = result.gold if isinstance(result, Question) else ()
    document = result.document if isinstance(result, Question) else result.passage.document
    key = str(store.documents["key"][document].as_py())
    return PreviewResult(result, key, tuple(PreviewSegment(i, store.text(i), i in gold) for i in ids))


def _remove_if_empty(folder: Path) -> None:
    (folder / layout.LOCK).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
