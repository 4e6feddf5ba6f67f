"""The `corpus` section of a build file: where text comes from, how it is cut, and what of it is left out.

"Unstated in the paper" marks a default that is our decision and no reproduction.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from in2_plugin.config.base import Config, uncounted

BUNDLED_CORPUS = "bundled:python-docs"


class Source(Config):
    """One source of documents. A bare string in the list means `path` alone."""

    path: str
    """`bundled:python-docs`, a file, a folder of files, a glob, or the name of a Hugging Face dataset. Files, folders
    and globs may be behind a URI: `s3://`, `gs://`, or a scheme of an installed fsspec package."""
    format: Literal["auto", "bundled", "hf", "jsonl", "parquet", "text"] = "auto"
    """How to read `path`; `auto` decides by its ending (`.gz` and `.zst` are looked through)."""
    text_field: str = "text"
    """Field or column that holds the document, for JSONL, Parquet and Hugging Face datasets."""
    name: str | None = None
    """Configuration of a Hugging Face dataset, for example `realnewslike` of `allenai/c4`."""
    split: str = "train"
    """Split of a Hugging Face dataset."""
    limit: PositiveInt | None = None
    """Read at most this many documents of this source; all when absent."""
    license: str | None = uncounted(None)
    """Licence of the text, for the dataset card."""


class RowSource(Config):
    """One source of rows, read whole. A bare string in the list means `path` alone."""

    path: str
    """A JSONL or Parquet file, a folder of such files, a glob, or the name of a Hugging Face dataset. Files, folders
    and globs may be behind a URI: `s3://`, `gs://`, or a scheme of an installed fsspec package."""
    format: Literal["auto", "hf", "jsonl", "parquet"] = "auto"
    """How to read `path`; `auto` decides by its ending (`.gz` and `.zst` are looked through)."""
    name: str | None = None
    """Configuration of a Hugging Face dataset."""
    split: str = "train"
    """Split of a Hugging Face dataset."""
    limit: PositiveInt | None = None
    """Read at most this many rows; all when absent."""
    license: str | None = uncounted(None)
    """Licence of the rows, for the dataset card."""


class EvaluationSource(RowSource):
    """A dataset that the trained model will be evaluated on."""

    split: str = "test"
    """Split of a Hugging Face dataset."""
    fields: tuple[str, ...] = ()
    """Fields whose text counts; every text in a row, at any depth, when absent."""


class Decontamination(Config):
    """A document that shares any n-gram of words with an evaluation item is neither asked about nor used as filler
    (paper, Appendix A)."""

    ngram: PositiveInt | None = 10
    """Words in a row that must not be shared; null switches decontamination off. Whether the paper's 10-grams are
    of words or tokens, and how text is normalised, is unstated: ours are words without case, signs and accents of
    form (NFKC), single characters in scripts without spaces."""
    probes: bool = True
    """Take the bundled VAL pieces as evaluation items."""
    pieces: Path | None = None
    """Folder of further VAL pieces, for example `VaLProbing/pieces` in a clone of microsoft/FILM."""
    sources: tuple[EvaluationSource, ...] = ()
    """Further evaluation sets."""

    @field_validator("sources", mode="before")
    @classmethod
    def _accept_bare_paths(cls, value: object) -> object:
        return bare_paths(value)


class NearDuplicates(Config):
    """Segments that say almost the same as an earlier one (MinHash over word 5-grams). The paper removes none."""

    threshold: Annotated[float, Field(gt=0, le=1)] | None = 0.8
    """Jaccard similarity from which on two segments are near-duplicates; null switches the search off."""
    remove: bool = True
    """Use the first of them alone. Otherwise all stay, but none is filler beside a gold segment that it repeats."""


class CorpusConfig(Config):
    """Where text comes from and how it is cut into segments."""

    sources: tuple[Source, ...] = (Source(path=BUNDLED_CORPUS),)
    """Sources in reading order; the default is the bundled Python documentation."""
    segment_tokens: PositiveInt = 128
    """Minimal length of a segment in tokens of the model to be trained (paper, Algorithm 1)."""
    paper_exact: bool = False
    """Keep Algorithm 1 to the letter: a paragraph is never split, however long. Default: a paragraph longer
    than `segment_tokens` is split at sentence ends first."""
    decontamination: Decontamination = Decontamination()
    near_duplicates: NearDuplicates = NearDuplicates()

    @field_validator("sources", mode="before")
    @classmethod
    def _accept_bare_paths(cls, value: object) -> object:
        return bare_paths(value)

    @field_validator("sources")
    @classmethod
    def _need_one(cls, value: tuple[Source, ...]) -> tuple[Source, ...]:
        if not value:
            raise ValueError("the list is empty; name a source, or leave the key out for the bundled corpus")
        return value


def bare_paths(value: object) -> object:
    """Accept a bare string in a list of sources as its `path`."""
    if isinstance(value, list | tuple):
        return [{"path": item} if isinstance(item, str) else item for item in value]
    return value
