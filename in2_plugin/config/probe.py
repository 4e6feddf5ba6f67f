"""The tree of a probe file (`probe.yml`): a probe that `in2 probe build` makes from your own documents.

Its sections for text and questions are those of a build file, so the same stages make segments and questions.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from in2_plugin.config.base import Config, changeable
from in2_plugin.config.build import BuildConfig, read_mapping
from in2_plugin.config.corpus import (
    BUNDLED_CORPUS,
    CorpusConfig,
    Decontamination,
    ExcludedFolder,
    NearDuplicateConfig,
    RowSource,
    Source,
    bare_paths,
)
from in2_plugin.config.examples import Lengths, Mixture
from in2_plugin.config.questions import QuestionsConfig

FINE_GRAINED, INTEGRATION = 100, 50
"""Questions that a writer writes when the probe file does not say how many."""
BESIDE_CONTEXT = 256
"""Tokens of a prompt that are not context, about: the answer, the question and the instruction."""
SEGMENT_TOKENS = 128
"""As in a build file."""
Length = Annotated[int, Field(ge=1_024)]


def _one_path(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


class ProbeDecontamination(Config):
    """Keep the probe apart from what models are trained on."""

    against: tuple[ExcludedFolder, ...] = ()
    """Training sets, as folders of `in2 build`, or other probes. Leaves out their documents, and documents that share
    an n-gram with a gold segment of their questions."""
    ngram: PositiveInt | None = 10
    """Length of a shared n-gram that excludes a document, in words; null compares whole documents only."""
    whole_items: PositiveInt = 5
    """As in a build file."""

    @field_validator("against", mode="before")
    @classmethod
    def _accept_bare_paths(cls, value: object) -> object:
        return bare_paths([value] if isinstance(value, str) else value)


class ProbeCorpus(Config):
    """The documents of the probe, and how to cut them into segments."""

    sources: tuple[Source, ...] = (Source(path=BUNDLED_CORPUS),)
    """Sources in reading order, as in a build file. Default: the bundled Python documentation."""
    segment_tokens: PositiveInt | None = None
    """Minimum length of a segment, in tokens. A gold is one segment, and so is a filler. Default: 128, and less where
    the shortest context would have fewer than three segments per depth."""
    decontamination: ProbeDecontamination = ProbeDecontamination()
    near_duplicates: NearDuplicateConfig = NearDuplicateConfig(remove=False)
    """As in a build file. By default near-duplicates are kept, but none is a filler beside a gold that it repeats."""

    @field_validator("sources", mode="before")
    @classmethod
    def _accept_bare_paths(cls, value: object) -> object:
        return bare_paths(value)


class ProbeQuestionsConfig(QuestionsConfig):
    """Who writes the questions, as in a build file, or the file that has them."""

    file: Annotated[RowSource | None, BeforeValidator(_one_path)] = None
    """Your own questions: JSONL, CSV or Parquet with `question`, `answer` (or a list `answers`, of which all must be
    given), and `evidence`, the passage with the answer (a list of passages for an integration question). `document`
    names the document where the same passage is in several."""

    @model_validator(mode="after")
    def _written_or_given(self) -> Self:
        others = sorted(self.model_fields_set - {"file"})
        if self.file and others:
            raise ValueError(
                f"`questions.file` has the questions, so `questions.{others[0]}` has no effect; keep one of them"
            )
        return self


class ProbeConfig(Config):
    """A whole probe file."""

    output: Path = changeable(...)
    """Folder to write the probe to, relative to the current directory."""
    tokenizer: str
    """Name or folder of a model to test. Its tokenizer and chat template measure the lengths; a model with another
    tokenizer can be tested too, if its window is large enough for the same texts."""
    seed: NonNegativeInt = 42
    """Random seed. The same probe file and seed give the same bytes."""
    workers: PositiveInt | None = changeable(None)
    """Number of worker processes. Default: one per core. The probe does not depend on it."""
    corpus: ProbeCorpus = ProbeCorpus()
    documents: PositiveInt | None = None
    """Number of documents that the probe takes, drawn by a hash of their content, so that a training set can have the
    others. Default: all."""
    questions: ProbeQuestionsConfig = ProbeQuestionsConfig()
    fine_grained: NonNegativeInt | None = None
    """Questions to write whose answer is in one segment; they make the curve. Default: 100."""
    integration: NonNegativeInt | None = None
    """Questions to write whose answer needs several segments; they make the map of two depths, which is filled evenly
    with a multiple of `depths`. Default: 50."""
    lengths: Annotated[tuple[Length, ...], Field(min_length=1)] = (4_096, 16_384)
    """Lengths of the contexts, in tokens: the longest prompt, chat template and the 128 generated tokens included."""
    depths: Annotated[int, Field(ge=2, le=50)] = 5
    """Equal parts of a context. Each question is asked once with its gold in each of them. Ends minus middle needs five
    or more."""
    questions_per_context: Annotated[int, Field(ge=1, le=100)] = 10
    """Most questions that share a context, so that a shared prefix serves several. There are fewer where their golds
    would fill more than half of it, or where one would answer another."""

    @field_validator("lengths")
    @classmethod
    def _sorted(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _counts_of_written_questions(self) -> Self:
        given = [name for name in ("fine_grained", "integration") if getattr(self, name) is not None]
        if given and self.questions.file:
            raise ValueError(
                f"`{given[0]}` is for written questions, and `questions.file` has its own; delete it, or set "
                "`questions.file: {path: ..., limit: ...}` to use fewer rows"
            )
        if not self.questions.file and not any(self.counts):
            raise ValueError("the probe has no questions; set `fine_grained` or `integration`")
        kinds = ("fine_grained", "integration")
        self.questions.require_forms(zip(kinds, kinds, self.counts, strict=True))
        return self

    @model_validator(mode="after")
    def _segments_fit_into_parts(self) -> Self:
        shortest, given = min(self.lengths), self.corpus.segment_tokens
        if given and given > self._longest_segments:
            raise ValueError(
                f"`corpus.segment_tokens: {given}` is too long to put a gold into each of {self.depths} parts of "
                f"{shortest:,} tokens; set it to at most {self._longest_segments}, lower `depths`, or raise `lengths`"
            )
        return self

    @property
    def counts(self) -> tuple[int, int]:
        """Fine-grained and integration questions to write."""
        given = self.fine_grained, self.integration
        return tuple(  # type: ignore[return-value]
            default if n is None else n for n, default in zip(given, (FINE_GRAINED, INTEGRATION), strict=True)
        )

    @property
    def segment_tokens(self) -> int:
        """Minimum length of a segment, in tokens."""
        return self.corpus.segment_tokens or min(SEGMENT_TOKENS, self._longest_segments)

    @property
    def _longest_segments(self) -> int:
        return min(self.lengths) // (3 * self.depths)

    @property
    def _decontamination(self) -> Decontamination:
        rule = self.corpus.decontamination
        ngram = rule.ngram if rule.against else None
        return Decontamination(ngram=ngram, whole_items=rule.whole_items, probes=False, against=rule.against)

    def as_build(self, template: Literal["chat", "film"]) -> BuildConfig:
        """Return the build file whose stages make the segments and questions of this probe.

        Golds take at most half of the shortest context.
        """
        fine_grained, integration = self.counts
        longest_passage = (min(self.lengths) - BESIDE_CONTEXT) // 2
        written = self.questions.model_dump(exclude={"file"}, exclude_unset=True)
        return BuildConfig(
            output=self.output,
            tokenizer=self.tokenizer,
            seed=self.seed,
            workers=self.workers,
            template=template,
            corpus=CorpusConfig(
                sources=self.corpus.sources,
                segment_tokens=self.segment_tokens,
                decontamination=self._decontamination,
                near_duplicates=self.corpus.near_duplicates,
            ),
            questions=QuestionsConfig.model_validate(written),
            mixture=Mixture(fine_grained=fine_grained, integration=integration, short_context=0),
            lengths=Lengths(min=longest_passage, max=longest_passage),
        )


def load_probe_config(path: str | Path, overrides: Mapping[str, Any] | None = None) -> ProbeConfig:
    """Read and validate a probe file; `overrides` replaces values by dotted key.

    Raises:
        ConfigError: the file is missing, is not YAML, or has an unknown key or an invalid value.
    """
    return ProbeConfig.parse(read_mapping(Path(path), "a probe file", overrides or {}), str(path))
