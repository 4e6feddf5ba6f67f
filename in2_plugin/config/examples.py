"""Sections of a build file about examples: how many of each part, how long, where answers stand, what is beside them.

"Unstated in the paper" marks a default that is our decision and no reproduction.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, field_validator, model_validator

from in2_plugin.config.base import Config
from in2_plugin.config.corpus import RowSource, bare_paths

PARTS = ("fine_grained", "integration", "short_context", "general")
"""Parts of the mixture, in the order of the paper's table."""


class Mixture(Config):
    """How many questions of each part. The paper's full run: 1.1M, 300K, 150K, 200K."""

    fine_grained: NonNegativeInt = 1_100
    """Questions whose answer sits in one segment of a long context (paper, equation 1)."""
    integration: NonNegativeInt = 300
    """Questions whose answer needs several segments of one document (paper, equation 2)."""
    short_context: NonNegativeInt = 150
    """Questions on a document by itself, without fillers. Which kind of question is unstated in the paper: ours are
    fine-grained and integration questions in the proportion of the two long parts."""
    general: NonNegativeInt = 0
    """Conversations of an instruction dataset, which `instructions` names. The paper has 200K of OpenOrca."""
    total: PositiveInt | None = None
    """With it, the four are shares, and this is what they come to: the paper's four numbers and `total: 17500` make
    its 1% run."""
    shortfall: Literal["error", "rescale"] = "error"
    """When a part cannot be had in full: stop and say how many are missing, or make all parts smaller alike and say
    so. Questions that are then too many stay in questions.parquet."""

    @model_validator(mode="after")
    def _ask_for_something(self) -> Self:
        if not any(getattr(self, part) for part in PARTS):
            raise ValueError("the mixture asks for no example at all; set `fine_grained` or `integration`")
        return self

    def counts(self) -> dict[str, int]:
        """Questions of each part, in the order of PARTS; shares are rounded so that they come to `total`."""
        asked = {part: int(getattr(self, part)) for part in PARTS}
        if self.total is None:
            return asked
        whole = sum(asked.values())
        counts = {part: share * self.total // whole for part, share in asked.items()}
        rest = {part: share * self.total % whole for part, share in asked.items()}
        for part in sorted(rest, key=lambda part: -rest[part])[: self.total - sum(counts.values())]:
            counts[part] += 1
        return counts


class Instructions(Config):
    """Where the general part of the mixture comes from: OpenOrca's columns, Alpaca's, ShareGPT's `conversations` or
    `messages`, told apart row by row."""

    sources: tuple[RowSource, ...] = ()
    """Streamed once, and sampled uniformly; `limit` bounds how much is looked at."""

    @field_validator("sources", mode="before")
    @classmethod
    def _accept_bare_paths(cls, value: object) -> object:
        return bare_paths(value)


class Lengths(Config):
    """Length of an example in tokens of the model to be trained: template, context, question and answer."""

    min: PositiveInt = 4_096
    """Shortest long example."""
    max: PositiveInt = 32_768
    """Longest example of any part; the trainer's `sequence_len` must be at least this. Exact bounds and whether
    question and template count are unstated in the paper."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"`min` ({self.min}) is larger than `max` ({self.max})")
        return self


Strategy = Literal["shuffle", "stratified", "edges", "middle", "histogram"]
EDGES = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
MIDDLE = (0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)


class Positions(Config):
    """Where gold segments stand in a long context. A bare word means `strategy` alone."""

    strategy: Strategy = "stratified"
    """`shuffle`: wherever chance puts them (the paper). `stratified`: every depth and length equally often, by
    design instead of on average. For ablations, the same but not uniform: `edges` (first and last tenth), `middle`
    (the middle fifth), `histogram` (as `weights` says)."""
    weights: tuple[NonNegativeFloat, ...] = ()
    """For `histogram`: relative frequency of equal ranges of depth, from the start of the context to its end."""

    @model_validator(mode="after")
    def _weights_where_used(self) -> Self:
        if self.strategy == "histogram" and not sum(self.weights) > 0:
            raise ValueError("`histogram` needs `weights`, for example [1, 0, 0, 1]")
        if self.strategy != "histogram" and self.weights:
            raise ValueError("`weights` is for `strategy: histogram` alone")
        return self

    @property
    def histogram(self) -> tuple[float, ...]:
        """Weights of equal ranges of depth that golds are meant to have; one range where that is uniform."""
        return {"edges": EDGES, "middle": MIDDLE, "histogram": self.weights}.get(self.strategy, (1.0,))


class Distractors(Config):
    """What fillers may not hold, so that a question has one answer."""

    answer: bool = True
    """No filler holds the answer literally (as whole words, upper or lower case). The paper does not say."""
    judge_hardest: NonNegativeInt = 0
    """Also have the judge of `questions.verify` read this many fillers of each question, those that share most words
    with it; one that answers the question is replaced. Costs calls."""


class AuditBounds(Config):
    """What `in2 audit` lets pass. The statistical bounds widen by themselves where there are few examples."""

    depth_distance: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Largest distance between the depths of golds and their intended distribution (Kolmogorov-Smirnov), in every
    length bucket, beyond what chance explains."""
    length_distance: Annotated[float, Field(ge=0, le=1)] = 0.02
    """The same for lengths of long examples."""
    duplicate_rate: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Largest share of segments in use that repeat another one in use."""
    mixture_error: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Largest difference between a part's share of the examples and the one asked for."""
    answer_tokens: tuple[PositiveInt, PositiveInt] = (2, 4_096)
    """Fewest and most supervised tokens of a turn, its end-of-turn token included."""
    sample: PositiveInt = 1_000
    """Examples that are put together and read token by token, and searched for leaks; evenly spread."""
