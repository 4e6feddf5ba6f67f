"""The `corpus` section of a build file: sources of text, segmentation, decontamination and near-duplicates.

"Unstated in the paper" marks a default that is our decision, not part of the reproduction.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from in2_plugin.config.base import AddedLater, Config, changeable

BUNDLED_CORPUS = "bundled:python-docs"
MaxBadRows = Annotated[float, Field(ge=0, le=1)]


class Source(Config):
    """A source of documents. A bare string is short for `path`."""

    path: str
    """`bundled:python-docs`, a file, a folder of files, a glob, or the name of a Hugging Face dataset. Files, folders
    and globs can be URIs: `s3://`, `gs://`, or any scheme of an installed fsspec package."""
    format: Literal["auto", "bundled", "hf", "jsonl", "parquet", "text"] = "auto"
    """File format. `auto` infers it from the extension, ignoring `.gz` and `.zst`."""
    text_field: str = "text"
    """Field or column with the text of a document, in JSONL, Parquet and Hugging Face datasets."""
    name: str | None = None
    """Configuration of a Hugging Face dataset, for example `realnewslike` of `allenai/c4`."""
    split: str = "train"
    """Split of a Hugging Face dataset."""
    limit: PositiveInt | None = None
    """Maximum number of documents to read from this source. Default: all."""
    max_bad_rows: MaxBadRows = changeable(0.01)
    """Largest share of rows that may lack the field or hold something else than text in it. Such rows are skipped and
    counted, and the first is shown; the build stops at the end of a source with a larger share, and earlier if its
    first 1,000 rows are all like this. Ten rows are accepted whatever their share, unless it is 0."""
    license: str | None = changeable(None)
    """License of the text, for the dataset card."""


class RowSource(Config):
    """A source of rows. A bare string is short for `path`."""

    path: str
    """A JSONL or Parquet file, a folder of such files, a glob, or the name of a Hugging Face dataset. Files, folders
    and globs can be URIs: `s3://`, `gs://`, or any scheme of an installed fsspec package."""
    format: Literal["auto", "hf", "jsonl", "parquet"] = "auto"
    """File format. `auto` infers it from the extension, ignoring `.gz` and `.zst`."""
    name: str | None = None
    """Configuration of a Hugging Face dataset."""
    split: str = "train"
    """Split of a Hugging Face dataset."""
    limit: PositiveInt | None = None
    """Maximum number of rows to read. Default: all."""
    max_bad_rows: MaxBadRows = changeable(0.01)
    """Largest share of rows that may lack the fields or hold something else than text in them. Such rows are skipped
    and counted, and the first is shown; the build stops at the end of a source with a larger share, and earlier if its
    first 1,000 rows are all like this. Ten rows are accepted whatever their share, unless it is 0."""
    license: str | None = changeable(None)
    """License of the rows, for the dataset card."""


class EvaluationSource(RowSource):
    """A dataset that you will evaluate the trained model on."""

    split: str = "test"
    """Split of a Hugging Face dataset."""
    fields: tuple[str, ...] = ()
    """Fields to compare. Default: every string in a row, at any depth."""


class ExcludedFolder(Config):
    """A finished folder whose documents are left out. A bare string is short for `path`."""

    path: Path = changeable(...)
    """A probe folder of `in2 probe build`, or a dataset folder of `in2 build`."""
    content: str | None = None
    """Digest of its documents and golds. The build fills it in, and a later build with another content is another
    build, wherever the folder is. Set it to make sure that a folder has not changed."""


class Decontamination(Config):
    """Exclude every document that shares an n-gram of words with an evaluation item, from questions and fillers
    (paper, Appendix A)."""

    ngram: PositiveInt | None = 10
    """Length of a shared n-gram that excludes a document, in words; null turns decontamination off. Unstated in the
    paper: words or tokens, and how text is normalized. We compare words after NFKC normalization, ignoring case and
    punctuation; in scripts without spaces every character is a word."""
    whole_items: PositiveInt = 5
    """Evaluation texts with fewer words than `ngram` are compared as a whole if they have at least this many words.
    Shorter ones are names and identifiers, which other texts contain by coincidence. The paper compares n-grams only:
    set the value of `ngram` for the same. Raise it if common phrases of an evaluation set exclude too much."""
    probes: bool = True
    """Include the bundled VAL items as evaluation items."""
    pieces: Path | None = None
    """Folder with more VAL items, for example `VaLProbing/pieces` in a clone of microsoft/FILM."""
    sources: tuple[EvaluationSource, ...] = ()
    """Other evaluation datasets."""
    against: Annotated[tuple[ExcludedFolder, ...], AddedLater()] = ()
    """Probe and dataset folders that must not share text with this one: a probe of your own documents that you will
    evaluate on, or other training sets. Leaves out their documents, recognized by their text without whitespace, also
    if `ngram` is null; and documents that share an n-gram with a gold segment of their questions."""

    @field_validator("sources", "against", mode="before")
    @classmethod
    def _accept_bare_paths(cls, value: object) -> object:
        return bare_paths([value] if isinstance(value, str) else value)


class NearDuplicateConfig(Config):
    """Find segments that nearly repeat an earlier one (MinHash over word 5-grams). The paper removes none."""

    threshold: Annotated[float, Field(gt=0, le=1)] | None = 0.8
    """Jaccard similarity at or above which two segments are near-duplicates; null turns the search off."""
    remove: bool = True
    """Keep only the first of a group of near-duplicates. If false, keep all of them, but never use one as filler for a
    gold segment that it repeats."""


class CorpusConfig(Config):
    """Sources of text, and how to cut it into segments."""

    sources: tuple[Source, ...] = (Source(path=BUNDLED_CORPUS),)
    """Sources in reading order. Default: the bundled Python documentation."""
    segment_tokens: PositiveInt = 128
    """Minimum length of a segment, in tokens of the model to train (paper, Algorithm 1)."""
    paper_exact: bool = False
    """Follow Algorithm 1 exactly and never split a paragraph, however long. If false, split paragraphs longer than
    `segment_tokens` at sentence ends first."""
    decontamination: Decontamination = Decontamination()
    near_duplicates: NearDuplicateConfig = NearDuplicateConfig()

    @field_validator("sources", mode="before")
    @classmethod
    def _accept_bare_paths(cls, value: object) -> object:
        return bare_paths(value)

    @field_validator("sources")
    @classmethod
    def _need_one(cls, value: tuple[Source, ...]) -> tuple[Source, ...]:
        if not value:
            raise ValueError("the list is empty; add a source, or remove the key to use the bundled corpus")
        return value


def bare_paths(value: object) -> object:
    """Replace each bare string in a list of sources by a mapping with that `path`."""
    if isinstance(value, list | tuple):
        return [{"path": item} if isinstance(item, str) else item for item in value]
    return value
