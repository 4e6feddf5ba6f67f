"""Which questions a build wants, and which passages it offers for them, in order."""

from collections.abc import Iterator

from in2_plugin.config import BuildConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.pipeline.run import generator
from in2_plugin.questions import Kind, Part, Passage
from in2_plugin.questions.collection import passages, short_passages


def wanted_questions(config: BuildConfig) -> Iterator[tuple[Part, Kind, int]]:
    """How many questions of which kind each part asks for, in the order in which they are written.

    Short contexts get both kinds in the proportion of the two long parts, or fine-grained ones alone.
    """
    counts = config.mixture.counts()
    for kind in Kind:
        yield Part(kind), kind, counts[kind]
    long = counts[Kind.FINE_GRAINED] + counts[Kind.INTEGRATION]
    short = counts[Part.SHORT_CONTEXT]
    integration = short * counts[Kind.INTEGRATION] // long if long else 0
    yield Part.SHORT_CONTEXT, Kind.FINE_GRAINED, short - integration
    yield Part.SHORT_CONTEXT, Kind.INTEGRATION, integration


def questions_by_kind(config: BuildConfig) -> dict[Kind, int]:
    """Questions of each kind in the whole mixture, short contexts included."""
    return {kind: sum(n for _, asked, n in wanted_questions(config) if asked is kind) for kind in Kind}


def offered_passages(
    config: BuildConfig, store: SegmentStore, part: Part, kind: Kind, *, with_texts: bool = True
) -> Iterator[Passage]:
    """The passages that a part asks about, in order."""
    if part is Part.SHORT_CONTEXT:
        rng = generator(config, f"{part} {kind}")
        return short_passages(store, kind, config.lengths, rng, with_texts=with_texts)
    return passages(store, kind, config.lengths, generator(config, kind), with_texts=with_texts)


def shown_name(part: Part, kind: Kind) -> str:
    """What the progress calls the questions of a kind in a part."""
    name = kind.replace("_", "-")
    return f"short-context {name}" if part is Part.SHORT_CONTEXT else name
