"""Define the sections of a build file for examples: mixture, lengths, gold positions, distractors, audit bounds.

"Unstated in the paper" marks a default that is our decision, not a reproduction.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)

from in2_plugin.config.base import AddedLater, Config
from in2_plugin.config.corpus import RowSource, bare_paths

PARTS = ("fine_grained", "integration", "short_context", "general", "records")
"""Parts of the mixture, in the order of the paper's table; `records` is ours. Plans store the index of a part."""
CORPUS_PARTS = ("fine_grained", "integration", "short_context")
LONG_PARTS = ("fine_grained", "integration", "records")
"""Parts whose examples have fillers."""
MOST_RECORDS = 200_000
"""Maximum questions about records: what the pool of invented records gives at any length of segments."""


class Mixture(Config):
    """Number of questions per part. The paper's full run has 1.1M, 300K, 150K and 200K."""

    fine_grained: NonNegativeInt = 1_100
    """Questions whose answer is in one segment of a long context (paper, equation 1)."""
    integration: NonNegativeInt = 300
    """Questions whose answer needs several segments of one document (paper, equation 2)."""
    short_context: NonNegativeInt = 150
    """Questions about a document without fillers. The kind of question is unstated in the paper: ours are fine-grained
    and integration questions in the proportion of the two long parts."""
    general: NonNegativeInt = 0
    """Conversations from the instruction datasets in `instructions`. The paper uses 200K of OpenOrca."""
    records: Annotated[NonNegativeInt, AddedLater()] = 0
    """Questions about invented records (names, numbers, codes, UUIDs) among other invented records, made by rule. Not
    in the paper: artificial needles of arXiv 2406.19292, where 150 to 350 are enough. If this is the only part with
    questions, the corpus is not read."""
    total: PositiveInt | None = None
    """If set, the numbers are shares of this total: the paper's four numbers with `total: 17500` give its 1% run."""
    shortfall: Literal["error", "rescale"] = "error"
    """If a part cannot be filled: `error` stops with the number of missing questions; `rescale` scales all parts down
    equally and reports it. Surplus questions remain in questions.parquet."""

    @model_validator(mode="after")
    def _require_examples(self) -> Self:
        if not any(getattr(self, part) for part in PARTS):
            raise ValueError("the mixture contains no examples; set `fine_grained` or `integration`")
        if (records := self.counts()["records"]) > MOST_RECORDS:
            raise ValueError(f"`records` asks for {records:,} questions; set at most {MOST_RECORDS:,}")
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts that the audit names: those of the paper, and `records` if there are any."""
        return PARTS if self.records else tuple(part for part in PARTS if part != "records")

    @property
    def reads_corpus(self) -> bool:
        """False if the only questions are about records."""
        return not self.records or any(getattr(self, part) for part in CORPUS_PARTS)

    def counts(self) -> dict[str, int]:
        """Return the questions per part, in the order of PARTS; shares are rounded so that their sum is `total`."""
        asked = {part: int(getattr(self, part)) for part in PARTS}
        if self.total is None:
            return asked
        whole = sum(asked.values())
        counts = {part: share * self.total // whole for part, share in asked.items()}
        rest = {part: share * self.total % whole for part, share in asked.items()}
        for part in sorted(rest, key=lambda part: -rest[part])[: self.total - sum(counts.values())]:
            counts[part] += 1
        return counts

    def corpus_questions(self) -> list[tuple[str, str, int]]:
        """Return part, kind and number of the questions about the corpus, in the order in which they are written.

        The short-context part has both kinds in the proportion of the two long parts, or only fine-grained questions
        when there are no long parts.
        """
        counts = self.counts()
        fine_grained, integration, short = (counts[part] for part in CORPUS_PARTS)
        long = fine_grained + integration
        short_integration = short * integration // long if long else 0
        return [
            ("fine_grained", "fine_grained", fine_grained),
            ("integration", "integration", integration),
            ("short_context", "fine_grained", short - short_integration),
            ("short_context", "integration", short_integration),
        ]


class Instructions(Config):
    """Sources of the general part of the mixture. The columns of OpenOrca, Alpaca, ShareGPT (`conversations`) and
    `messages` are recognised row by row."""

    sources: tuple[RowSource, ...] = ()
    """Streamed once and sampled uniformly; `limit` bounds the number of rows read."""

    @field_validator("sources", mode="before")
    @classmethod
    def _accept_bare_paths(cls, value: object) -> object:
        return bare_paths(value)


class Lengths(Config):
    """Length of an example in tokens of the model to train: template, context, question and answer."""

    min: PositiveInt = 4_096
    """Shortest long example."""
    max: PositiveInt = 32_768
    """Longest example of any part; the trainer's `sequence_len` must be at least this. Unstated in the paper: exact
    bounds, and whether question and template count."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"`min` ({self.min}) is larger than `max` ({self.max})")
        return self


Strategy = Literal["shuffle", "stratified", "edges", "middle", "histogram"]
EDGES = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
MIDDLE = (0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)


class Positions(Config):
    """Positions of gold segments in a long context. A plain string sets `strategy`."""

    strategy: Strategy = "stratified"
    """`shuffle`: random (the paper). `stratified`: every depth and length equally often, by design instead of on
    average. For ablations, stratified but not uniform: `edges` (first and last tenth), `middle` (middle fifth),
    `histogram` (see `weights`)."""
    weights: tuple[NonNegativeFloat, ...] = ()
    """For `histogram`: relative frequency of equal ranges of depth, from start to end of the context."""

    @model_validator(mode="after")
    def _weights_where_used(self) -> Self:
        if self.strategy == "histogram" and not sum(self.weights) > 0:
            raise ValueError("`histogram` needs `weights`, for example [1, 0, 0, 1]")
        if self.strategy != "histogram" and self.weights:
            raise ValueError("`weights` requires `strategy: histogram`")
        return self

    @property
    def histogram(self) -> tuple[float, ...]:
        """Intended weights of equal ranges of depth; a single range if uniform."""
        return {"edges": EDGES, "middle": MIDDLE, "histogram": self.weights}.get(self.strategy, (1.0,))

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The intended depths: consecutive ranges [start, stop) of `histogram` with positive weights."""
        weighted = [i for i, weight in enumerate(self.histogram) if weight > 0]
        starts = [i for i in weighted if i - 1 not in weighted]
        return list(zip(starts, [i + 1 for i in weighted if i + 1 not in weighted], strict=True))

    def places(self, n_segments: int) -> list[range]:
        """Return the places of a context of `n_segments`, counted from 0, that belong to each of `ranges`.

        These are the segments whose middle is within the range, or the one at the middle of a range without such a
        segment.
        """
        bins, n = len(self.histogram), n_segments
        found = []
        for start, stop in self.ranges:
            # start / bins <= (i + 1/2) / n <= stop / bins
            inside = range(-((bins - 2 * n * start) // (2 * bins)), (2 * n * stop - bins) // (2 * bins) + 1)
            middle = (start + stop) * n // (2 * bins)
            found.append(inside or range(middle, middle + 1))
        return found

    def capacity(self, n_segments: int) -> int:
        """Return the number of gold segments that a context of `n_segments` can hold at the intended depths."""
        return len(set().union(*self.places(n_segments)))


class Distractors(Config):
    """Texts that fillers must not contain, so that a question has one answer."""

    answer: bool = True
    """No filler contains the literal answer (as whole words, in any case). Unstated in the paper."""
    judge_hardest: NonNegativeInt = 0
    """Number of fillers per question that the judge of `questions.verify` also reads: those that share most words with
    the question. A filler that answers the question is replaced. Each takes a call."""


class AuditBounds(Config):
    """Bounds of `in2 audit`. The statistical bounds widen automatically for small datasets."""

    depth_distance: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Largest share of gold segments that may be at other depths than `positions` sets, in addition to chance: overall,
    per length bucket and per part. A build places them exactly, so the default allows for chance alone."""
    length_distance: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Largest Kolmogorov-Smirnov distance of the lengths of long examples from uniform, in addition to chance."""
    duplicate_rate: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Largest share of segments in use that duplicate another segment in use."""
    mixture_error: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Largest difference between the share of a part and its share in `mixture`."""
    answer_tokens: tuple[PositiveInt, PositiveInt] = (2, 4_096)
    """Fewest and most supervised tokens of a turn, its end-of-turn token included."""
    sample: PositiveInt = 1_000
    """Number of examples, evenly spaced, to render token by token and to search for leaks."""
