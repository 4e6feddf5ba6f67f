"""Count the questions that a mixture asks for, yield the passages that they are written about, in order, and say which
writer writes them; make the check of how many of them give a question."""

from collections.abc import Iterator

from in2_plugin.config import Lengths, Mixture, QuestionsConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.pipeline.run import stage_rng
from in2_plugin.questions import Kind, Part, Passage
from in2_plugin.questions.collection import passages, short_passages
from in2_plugin.questions.records.writer import RecordsWriter
from in2_plugin.questions.yield_check import YieldCheck

PAIRS = 4
"""One in so many questions about records needs two records."""


def wanted_questions(mixture: Mixture) -> Iterator[tuple[Part, Kind, int]]:
    """Yield the number of questions per part and kind, in the order in which they are written."""
    yield from corpus_questions(mixture)
    records = mixture.counts()[Part.RECORDS]
    yield Part.RECORDS, Kind.FINE_GRAINED, records - records // PAIRS
    yield Part.RECORDS, Kind.INTEGRATION, records // PAIRS


def corpus_questions(mixture: Mixture) -> Iterator[tuple[Part, Kind, int]]:
    """Yield the same for the questions that the writer of the build file writes about the corpus."""
    return ((Part(part), Kind(kind), n) for part, kind, n in mixture.corpus_questions())


def questions_by_kind(mixture: Mixture) -> dict[Kind, int]:
    """Return the number of questions of each kind about the corpus, short contexts included."""
    return {kind: sum(n for _, asked, n in corpus_questions(mixture) if asked is kind) for kind in Kind}


def part_passages(
    store: SegmentStore, part: Part, kind: Kind, lengths: Lengths, seed: int, *, with_texts: bool = True
) -> Iterator[Passage]:
    """Yield the passages of a part in the order in which they are asked about."""
    if part is Part.SHORT_CONTEXT:
        rng = stage_rng(seed, f"{part} {kind}")
        return short_passages(store, kind, lengths, rng, with_texts=with_texts)
    if part is Part.RECORDS:
        rng = stage_rng(seed, f"{part} {kind}")
        return passages(store, kind, lengths, rng, with_texts=with_texts, records=True)
    return passages(store, kind, lengths, stage_rng(seed, kind), with_texts=with_texts)


def records_writer(store: SegmentStore, seed: int) -> RecordsWriter:
    """Return the writer of the questions about the invented records of a store."""
    segments = store.record_segments
    return RecordsWriter(seed, int(store.document[segments.start]) if segments else 0)


def display_name(part: Part, kind: Kind) -> str:
    """Return the name that progress displays use for the questions of a kind in a part."""
    name = kind.replace("_", "-")
    return {Part.SHORT_CONTEXT: f"short-context {name}", Part.RECORDS: f"{name} record"}.get(part, name)


def yield_check(config: QuestionsConfig, part: Part, kind: Kind) -> YieldCheck | None:
    """Return the check of how many passages give a question; None for a writer without a language model."""
    asks_model = config.writer_spec.asks_model and part is not Part.RECORDS
    return YieldCheck(config.min_yield, f"{display_name(part, kind)} questions") if asks_model else None
