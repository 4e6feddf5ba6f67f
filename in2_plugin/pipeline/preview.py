"""A few questions of a build file, written for real before the build: what comes out, and from which segments.

Invariant: answers go into the work log of the build, so that what a preview paid for is not paid for again where the
build asks the same. Nothing else is written.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.build_record import make_folder
from in2_plugin.io.lock import folder_lock
from in2_plugin.pipeline.passages import offered_passages, questions_by_kind
from in2_plugin.pipeline.sample_store import sample_store
from in2_plugin.questions import Kind, Part, Passage, Question, QuestionWriter, Rejection
from in2_plugin.questions.writers import open_writer

SAMPLE_DOCUMENTS = 300
TRIES = 4
"""Passages asked about at most, for each question that is wanted."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that was shown to the writer."""

    number: int
    text: str
    is_gold: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A result with its segments, and the name of the document they come from."""

    result: Question | Rejection
    document: str
    segments: tuple[Segment, ...]


def preview(config: BuildConfig, n: int) -> Iterator[Shown]:
    """Write about `n` questions, split over the kinds as the mixture is, each kind that it asks for at least once.

    Yields what was turned down, too, and stops after `TRIES` passages a question.

    Raises:
        In2Error: as `in2 build`, for what the preview does of it.
    """
    tokenizer = load_tokenizer(config.tokenizer)
    made = not config.output.exists()
    make_folder(config.output)
    with (
        folder_lock(config.output),
        sample_store(config, tokenizer, SAMPLE_DOCUMENTS) as store,
        open_writer(config.questions, config.seed, config.output / layout.WORK_LOG, print) as writer,
    ):
        for kind, wanted in _shares(config, n).items():
            offered = offered_passages(config, store, Part(kind), kind)
            yield from (_shown(result, store) for result in _written(writer, offered, wanted))
    if made:
        _remove_if_empty(config.output)


def _written(writer: QuestionWriter, offered: Iterator[Passage], wanted: int) -> Iterator[Question | Rejection]:
    missing = wanted
    with closing(writer.write(offered, lambda: missing)) as results:
        for asked, result in enumerate(results, 1):
            yield result
            missing -= isinstance(result, Question)
            if not missing or asked == TRIES * wanted:
                return


def _shares(config: BuildConfig, n: int) -> dict[Kind, int]:
    wanted = questions_by_kind(config)
    whole = sum(wanted.values())
    return {kind: max(1, round(n * share / whole)) for kind, share in wanted.items() if share}


def _shown(result: Question | Rejection, store: SegmentStore) -> Shown:
    ids = result.segment_ids if isinstance(result, Question) else result.passage.segment_ids
    gold = result.gold if isinstance(result, Question) else ()
    document = result.document if isinstance(result, Question) else result.passage.document
    key = str(store.documents["key"][document].as_py())
    return Shown(result, key, tuple(Segment(i, store.text(i), i in gold) for i in ids))


def _remove_if_empty(folder: Path) -> None:
    (folder / layout.LOCK).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
