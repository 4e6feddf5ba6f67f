"""From documents to segments that may be used: cut, tokenised, compared with evaluation items and with each other."""

from in2_plugin.config import BuildConfig
from in2_plugin.corpus.readers import read_documents
from in2_plugin.corpus.screening import screen
from in2_plugin.corpus.store import EXCLUSIONS, SegmentStore, build_store
from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.errors import TokenizerMismatch
from in2_plugin.stages.stage import Progress, generator, workers


def segment_stage(config: BuildConfig, tokenizer: ModelTokenizer, progress: Progress) -> SegmentStore:
    """The finished and screened store of a build.

    Raises:
        CorpusError: a source cannot be read, or an evaluation set gives nothing to compare with.
        TokenizerMismatch: the store was begun with another tokenizer under the same name.
    """
    store = _cut(config, tokenizer, progress)
    return store if (store.folder / EXCLUSIONS).exists() else _screened(config, store, progress)


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


def _cut(config: BuildConfig, tokenizer: ModelTokenizer, progress: Progress) -> SegmentStore:
    folder = config.output / "segments"
    if (folder / "store.json").exists():
        store = SegmentStore(folder)
        refuse_changed_tokenizer(config, store.facts.tokenizer, tokenizer)
        return store
    documents = read_documents(config.corpus.sources)
    with progress.stage("cutting documents into segments", None) as step:
        store = build_store(
            documents,
            folder,
            tokenizer,
            segment_tokens=config.corpus.segment_tokens,
            paper_exact=config.corpus.paper_exact,
            rng=generator(config, "segments"),
            workers=workers(config),
            on_documents=step,
        )
    facts = store.facts
    left_out = facts.segments - int(store.usable.sum())
    progress.say(
        f"{facts.segments:,} segments of {facts.tokens / max(facts.segments, 1):.0f} tokens from "
        f"{facts.documents:,} documents; {left_out:,} left out because of their tokens"
    )
    if documents.empty or documents.other_files:
        progress.say(
            f"passed over: {documents.empty:,} documents without text, {documents.other_files:,} files of other kinds"
        )
    return store


def _screened(config: BuildConfig, store: SegmentStore, progress: Progress) -> SegmentStore:
    with progress.stage("comparing with evaluation sets and other segments", store.facts.segments) as step:
        facts = screen(store, config.corpus, workers(config), step)
    progress.say(facts.line())
    return SegmentStore(store.folder)
