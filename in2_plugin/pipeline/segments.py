"""From documents to segments that may be used: cut, tokenised, compared with evaluation items and with each other."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.corpus.cutting import Cutter, chunks, counts_by_words
from in2_plugin.corpus.screening.screen import Screening
from in2_plugin.corpus.shards import SHARD_BYTES, Merger, Shard, ShardCutter, documents_in, shards_of
from in2_plugin.corpus.sources.documents import read_documents
from in2_plugin.corpus.sources.splits import find_pieces
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.store_writer import StoreWriter
from in2_plugin.corpus.tokenizer import ModelTokenizer, TextTokenizer
from in2_plugin.errors import ArrayJobDone, CorpusError, TokenizerMismatch
from in2_plugin.pipeline.decompress import UNPACKED, unpacked
from in2_plugin.pipeline.run import Run, generator
from in2_plugin.pipeline.shards import Parts, digest, made, remove_parts

CUTTING = "segments"
SCREENING = "screening"


def segment_stage(run: Run, tokenizer: ModelTokenizer) -> SegmentStore:
    """The finished and screened store of a build.

    Raises:
        CorpusError: a source cannot be read, or an evaluation set gives nothing to compare with.
        TokenizerMismatch: the store was begun with another tokenizer under the same name.
        WorkerDied: a worker process was killed.
    """
    store = _cut(run, tokenizer)
    return store if (store.folder / layout.EXCLUSIONS).exists() else _screened(run, store)


def refuse_changed_tokenizer(config: BuildConfig, built: str, tokenizer: ModelTokenizer) -> None:
    """Refuse a folder that was begun with another tokenizer.

    Raises:
        TokenizerMismatch: its fingerprint is not `built`.
    """
    if built != tokenizer.fingerprint():
        raise TokenizerMismatch(
            f"{config.output}: was begun with another tokenizer under the name {config.tokenizer}; "
            "run `in2 build --restart` to replace it"
        )


def _cut(run: Run, tokenizer: ModelTokenizer) -> SegmentStore:
    config, folder = run.config, run.folder / layout.SEGMENTS
    if (folder / layout.STORE_FACTS).exists():
        store = SegmentStore(folder)
        refuse_changed_tokenizer(config, store.facts.tokenizer, tokenizer)
        return store
    found = [find_pieces([source], SHARD_BYTES) for source in config.corpus.sources]
    groups = _groups([shards_of(unpacked(run, corpus.pieces, SHARD_BYTES), SHARD_BYTES) for corpus in found])
    cutter = _cutter(config, tokenizer)
    cut = _all_parts(run, cutter, groups)
    with StoreWriter(folder, tokenizer, generator(config, CUTTING)) as writer, _merging(run, cut) as step:
        merger = Merger(writer)
        for parts, shards in zip(cut, groups, strict=True):
            left = shards[0].limit
            for shard, path in zip(shards, parts.paths, strict=False):
                added = merger.add(shard, path, left)
                left = None if left is None else left - added
                step(1)
        if not writer.documents:
            paths = ", ".join(source.path for source in config.corpus.sources)
            raise CorpusError(f"{paths}: not one document with text among {merger.empty} read; name another source")
    remove_parts(run.folder, f"{CUTTING}-*", UNPACKED)
    store = SegmentStore(folder)
    facts = store.facts
    left_out = facts.segments - int(store.usable.sum())
    run.progress.say(
        f"{facts.segments:,} segments of {facts.tokens / max(facts.segments, 1):.0f} tokens from "
        f"{facts.documents:,} documents; {left_out:,} left out because of their tokens"
    )
    other_files = sum(corpus.other_files for corpus in found)
    if merger.empty or other_files:
        run.progress.say(f"passed over: {merger.empty:,} documents without text, {other_files:,} files of other kinds")
    return store


def _groups(sources: Sequence[list[Shard]]) -> list[list[Shard]]:
    """Shards that are made together: all of the sources between two with a limit, which are by themselves."""
    groups: list[list[Shard]] = []
    for shards in filter(None, sources):
        if groups and groups[-1][0].limit is None and shards[0].limit is None:
            groups[-1] += shards
        else:
            groups.append(shards)
    return groups


def _cutter(config: BuildConfig, tokenizer: TextTokenizer) -> Cutter:
    """One way of counting for all shards, found on the first documents."""
    first = next(chunks(read_documents(config.corpus.sources)), [])
    by_words = counts_by_words(tokenizer, first)
    return Cutter(tokenizer, config.corpus.segment_tokens, config.corpus.paper_exact, by_words)


def _all_parts(run: Run, cutter: Cutter, groups: Sequence[list[Shard]]) -> list[Parts]:
    """The shards of all groups; a job of an array does its share of each before it ends."""
    parts, done = [], None
    for i, group in enumerate(groups):
        try:
            parts.append(_parts(run, f"{CUTTING}-{i}", cutter, group))
        except ArrayJobDone as ended:
            done = ended
    if done:
        raise done
    return parts


def _parts(run: Run, stage: str, cutter: Cutter, shards: list[Shard]) -> Parts:
    """The shards of a group, sealed; of a source with a limit as many as are needed, as far as the first ones tell."""
    limit, made_of = shards[0].limit, digest(cutter.fingerprint(), shards)
    function, n = ShardCutter(cutter), len(shards) if limit is None else 1
    while True:
        parts = made(run, stage, "cutting documents into segments", function, shards[:n], made_of)
        if n == len(shards) or limit is None:
            return parts
        have = sum(map(documents_in, parts.paths))
        if have >= limit:
            return parts
        # one more in ten than the documents so far promise
        n = min(len(shards), n + (math.ceil(1.1 * (limit - have) * n / have) if have else n))


def _merging(run: Run, cut: Sequence[Parts]) -> AbstractContextManager[Callable[[int], None]]:
    return run.progress.stage("merging segments", sum(len(parts.paths) for parts in cut))


def _screened(run: Run, store: SegmentStore) -> SegmentStore:
    screening = Screening(store, run.config.corpus)
    made_of = digest(screening.fingerprint())
    title = "comparing with evaluation sets and other segments"
    parts = made(run, SCREENING, title, screening.look, screening.shards, made_of, screening.needs)
    facts = screening.finish(parts.paths)
    parts.remove()
    run.progress.say(facts.line())
    return SegmentStore(store.folder)
