"""Run the segment stage: cut documents into segments, tokenize them, and screen them.

Screening compares segments with evaluation items and with each other. Sources without a limit are cut together in one
group of shards; a source with a limit is cut in its own group, as far as its limit needs. Cost: see corpus/cutting.py
and corpus/screening/screen.py.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path

import numpy as np

from in2_plugin import layout
from in2_plugin.config import CorpusConfig
from in2_plugin.corpus.cutting import Cutter, chunks, counts_by_words
from in2_plugin.corpus.screening.screen import Screening
from in2_plugin.corpus.shards import SHARD_BYTES, CorpusShard, Merger, ShardCutter, documents_in, shards_of
from in2_plugin.corpus.sources.bad_rows import BadRows, lines_of
from in2_plugin.corpus.sources.documents import read_documents
from in2_plugin.corpus.sources.splits import Corpus, PieceReader, find_pieces
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.store_writer import StoreWriter
from in2_plugin.corpus.tokenizer import MOST_UNKNOWN, ModelTokenizer, TextTokenizer
from in2_plugin.errors import ArrayJobDone, CorpusError, TokenizerError, TokenizerMismatch
from in2_plugin.pipeline.record_pool import add_records, n_registers
from in2_plugin.pipeline.run import Run, stage_rng
from in2_plugin.pipeline.shards import FinishedShards, digest, make_shards, remove_shards
from in2_plugin.pipeline.stages.decompress import UNPACKED, unpacked
from in2_plugin.questions.records.registers import registers_in

SAMPLED_SEGMENTS = 4_096
"""Segments in which unknown tokens are counted."""
CUTTING = "segments"
SCREENING = "screening"


def segment_stage(run: Run, tokenizer: ModelTokenizer) -> SegmentStore:
    """Make the screened store of a build, unless it exists.

    Raises:
        CorpusError: a source cannot be read, or an evaluation set has nothing to compare with.
        TokenizerError: the tokenizer cannot spell the corpus.
        TokenizerMismatch: the store was built with another tokenizer of the same name.
        WorkerDied: a worker process was killed.
    """
    store = _cut(run, tokenizer)
    _require_known_tokens(store, tokenizer)
    return store if (store.folder / layout.EXCLUSIONS).exists() else _screened(run, store)


def require_same_tokenizer(folder: Path, name: str, fingerprint: str, tokenizer: ModelTokenizer) -> None:
    """Check that the dataset in `folder` was built with this tokenizer.

    Raises:
        TokenizerMismatch: the tokenizer's fingerprint differs from that of the dataset.
    """
    if fingerprint != tokenizer.fingerprint():
        raise TokenizerMismatch(
            f"{folder}: was built with a different tokenizer of the name {name}; run `in2 build --restart` to replace "
            "the dataset"
        )


def _cut(run: Run, tokenizer: ModelTokenizer) -> SegmentStore:
    config, folder = run.config, run.folder / layout.SEGMENTS
    registers = n_registers(config)
    if (folder / layout.STORE_FACTS).exists():
        store = SegmentStore(folder)
        require_same_tokenizer(run.folder, config.tokenizer, store.facts.tokenizer, tokenizer)
        has_records = registers_in(len(store.record_segments)) == registers
        # else `--extend` has changed the mixture or lengths
        if has_records and bool(store.corpus_segments) == config.mixture.reads_corpus:
            return store
    sources = config.corpus.sources if config.mixture.reads_corpus else ()
    found = [find_pieces([source], SHARD_BYTES) for source in sources]
    for corpus in found:
        _require_text(corpus)
    groups = _groups([shards_of(unpacked(run, corpus.pieces, SHARD_BYTES), SHARD_BYTES) for corpus in found])
    cut = _cut_groups(run, _cutter(config.corpus, tokenizer), groups) if groups else []
    if not sources:
        run.array_job.end_job("segments")
    with StoreWriter(folder, tokenizer, stage_rng(config.seed, CUTTING)) as writer, _merging(run, cut) as step:
        merger = Merger(writer)
        for finished, shards in zip(cut, groups, strict=True):
            left = shards[0].limit
            for shard, path in zip(shards, finished.paths, strict=False):
                added = merger.add(shard, path, left)
                left = None if left is None else left - added
                step(1)
        merger.require()
        if sources and not writer.documents:
            paths = ", ".join(source.path for source in config.corpus.sources)
            skipped = "".join(f" ({line})" for line in lines_of(merger.bad.values()))
            raise CorpusError(f"{paths}: not one document has text{skipped}; name another source")
        add_records(writer, tokenizer, registers, config.seed, config.corpus.segment_tokens)
    remove_shards(run.folder, f"{CUTTING}-*", UNPACKED)
    store = SegmentStore(folder)
    facts = store.facts
    unusable = facts.segments - int(store.usable.sum())
    run.progress.say(
        f"{facts.segments:,} segments of {facts.tokens / max(facts.segments, 1):.0f} tokens from "
        f"{facts.documents - registers:,} documents; {unusable:,} excluded because of their tokens"
    )
    if facts.record_segments:
        run.progress.say(f"{facts.record_segments:,} of these segments are invented records, for `mixture.records`")
    other_files = sum(corpus.other_files for corpus in found)
    for line in lines_of(merger.bad.values()):
        run.progress.say(line)
    if merger.empty or other_files:
        run.progress.say(f"skipped: {merger.empty:,} documents without text, {other_files:,} files of other kinds")
    return store


def _require_text(corpus: Corpus) -> None:
    """Raise, before files are cut, if the start of a source has bad rows only: its `text_field` is wrong."""
    pieces = [piece for piece in corpus.pieces if piece.kind == "jsonl"]  # other formats list their fields
    if pieces:
        bad = BadRows(pieces[0].source.path, pieces[0].source.max_bad_rows)
        next(chain.from_iterable(PieceReader(piece, None, bad) for piece in pieces), None)


def _require_known_tokens(store: SegmentStore, tokenizer: ModelTokenizer) -> None:
    """Raise, before any question is paid for, if a tokenizer cannot spell the corpus."""
    sample = np.linspace(0, len(store) - 1, min(len(store), SAMPLED_SEGMENTS)).astype(np.uint32)
    share = float(np.mean(store.gather(sample) == tokenizer.unknown_id)) if len(sample) else 0.0
    if share > MOST_UNKNOWN:
        raise TokenizerError(
            f"{tokenizer.name}: {share:.1%} of the tokens of the corpus are unknown to it; use a tokenizer with byte "
            "fallback, or a corpus in its languages"
        )


def _groups(sources: Sequence[list[CorpusShard]]) -> list[list[CorpusShard]]:
    """Group the shards that are made together: consecutive sources without a limit, or one source with a limit."""
    groups: list[list[CorpusShard]] = []
    for shards in filter(None, sources):
        if groups and groups[-1][0].limit is None and shards[0].limit is None:
            groups[-1] += shards
        else:
            groups.append(shards)
    return groups


def _cutter(corpus: CorpusConfig, tokenizer: TextTokenizer) -> Cutter:
    """Return the cutter of all shards; the first documents decide how it counts tokens."""
    first = next(chunks(read_documents(corpus.sources)), [])
    by_words = counts_by_words(tokenizer, first)
    return Cutter(tokenizer, corpus.segment_tokens, corpus.paper_exact, by_words)


def _cut_groups(run: Run, cutter: Cutter, groups: Sequence[list[CorpusShard]]) -> list[FinishedShards]:
    """Make the shards of all groups; a job of an array makes its shards of every group before it ends."""
    cut, done = [], None
    for i, group in enumerate(groups):
        try:
            cut.append(_cut_group(run, f"{CUTTING}-{i}", cutter, group))
        except ArrayJobDone as ended:
            done = ended
    if done:
        raise done
    return cut


def _cut_group(run: Run, stage: str, cutter: Cutter, shards: list[CorpusShard]) -> FinishedShards:
    """Make the shards of a group; for a source with a limit, only as many as the limit needs."""
    limit, made_of = shards[0].limit, digest(cutter.fingerprint(), shards)
    function, n = ShardCutter(cutter), len(shards) if limit is None else 1
    while True:
        finished = make_shards(run, stage, "cutting documents into segments", function, shards[:n], made_of)
        if n == len(shards) or limit is None:
            return finished
        have = sum(map(documents_in, finished.paths))
        if have >= limit:
            return finished
        # ten percent more shards than the documents so far suggest
        n = min(len(shards), n + (math.ceil(1.1 * (limit - have) * n / have) if have else n))


def _merging(run: Run, cut: Sequence[FinishedShards]) -> AbstractContextManager[Callable[[int], None]]:
    return run.progress.stage("merging segments", sum(len(finished.paths) for finished in cut))


def _screened(run: Run, store: SegmentStore) -> SegmentStore:
    screening = Screening(store, run.config.corpus, run.progress.say)
    made_of = digest(screening.fingerprint())
    title = "comparing with evaluation sets and other segments"
    finished = make_shards(run, SCREENING, title, screening.look, screening.shards, made_of, screening.needs)
    facts = screening.finish(finished.paths)
    finished.remove()
    run.progress.say(facts.line())
    return SegmentStore(store.folder)
