"""Open a complete dataset folder for one tokenizer, and read its examples as token ids and labels.

    my-in2/
      build.json           the build file, written first
      segments/            the segment store
      questions.parquet    every question, with its gold segment ids
      rejected.parquet     rejected passages and questions, each with a reason
      instructions.parquet conversations of the general part
      examples.parquet     one row per example: segment ids in reading order, turns with gold ranges, counts
      documents.parquet    a digest of each document with a segment in an example
      plans/               the examples for trainers: flat files that return any example in microseconds
      written_answers/     what a teacher wrote, if answers are by `in2 teach --sample`
      audit.json           result of `in2 audit`; report.html displays it
      README.md            dataset card, with which `datasets.load_dataset` reads examples.parquet
      manifest.json        written last: without it the folder is incomplete

Invariant: a dataset is only rendered with a tokenizer and template of the same fingerprints, and with the same ids for
the template's texts, which the fingerprint of the tokenizer, about plain text, does not cover.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np

from in2_plugin import layout
from in2_plugin.corpus.splicing import anchored_ids
from in2_plugin.corpus.store import SegmentStatus, SegmentStore
from in2_plugin.corpus.tokenizer import LOADER, ModelTokenizer
from in2_plugin.dataset.plans import Plans, digest_of
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import DatasetError, TokenizerMismatch
from in2_plugin.examples.rendering import Rendered, Renderer
from in2_plugin.examples.template import Template, Turn

FORMAT = 3
"""Version of the folder's layout; the reader rejects any other."""

COMPARED_SEGMENTS = 16
"""Segments whose token ids a trainer compares with those of its own tokenizer."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Content of manifest.json; its existence means that the folder is complete."""

    format: int
    version: str
    """Version of in2-plugin that wrote the folder."""
    tokenizer: str
    """Hub name or folder of the tokenizer, for messages."""
    tokenizer_fingerprint: str
    template: Literal["chat", "film"]
    template_fingerprint: str
    joining: str
    examples: int
    longest: int
    """Tokens of the longest example: the smallest `sequence_len` without truncation."""
    most_turns: int
    """Maximum number of turns about one context."""
    most_turns_general: int
    """Maximum number of turns of a conversation without a context."""
    counts: Mapping[str, int]
    build: Mapping[str, Any]
    """The build file with all defaults filled in."""
    content: str = ""
    """Digest of all texts and examples; empty in datasets of earlier versions."""


def content_digest(folder: Path) -> str:
    """Return sixteen hex digits that change with any segment, example or token id of the template.

    Cost: reads the table of segments once, about 1 s per GB.
    """
    # the facts of the plans contain the digest of examples.parquet
    parts = [digest_of(folder / path) for path in (f"{layout.SEGMENTS}/{layout.SEGMENT_TABLE}", layout.STAGES["plans"])]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def revision_of(folder: Path) -> str:
    """Return sixteen hex digits that change with the content of a complete dataset.

    Axolotl identifies prepared rows by fields of the dataset's entry such as `revision`, not by files. `revision` is
    otherwise unused for a local folder; with this value in it, a rebuilt dataset is prepared again.

    Raises:
        DatasetError: see `read_manifest`.
    """
    read_manifest(folder)
    return hashlib.sha256((folder / layout.MANIFEST).read_bytes()).hexdigest()[:16]


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a complete dataset.

    Raises:
        DatasetError: the folder does not exist, is not an IN2 dataset, is incomplete, or has another layout version.
    """
    if not folder.is_dir():
        raise DatasetError(f"there is no IN2 dataset at {folder}; build it with `in2 build`, or correct the path")
    try:
        data = dict(json.loads((folder / layout.MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        if (folder / layout.BUILD).exists():
            raise DatasetError(f"{folder}: is an incomplete IN2 dataset; run `in2 build` again to finish it") from None
        raise DatasetError(
            f"{folder}: is not an IN2 dataset (manifest.json is missing); give the `output` of a build file"
        ) from None
    except (ValueError, TypeError):
        raise DatasetError(
            f"{folder}/manifest.json: is damaged; run `in2 build --restart` to rebuild the dataset"
        ) from None
    if data.get("format") != FORMAT:
        raise DatasetError(
            f"{folder}: has layout {data.get('format')}, but this version reads layout {FORMAT}; "
            "install the version of in2-plugin that wrote it"
        )
    return Manifest(**data)


class IN2Dataset:
    """Examples of a complete dataset for one tokenizer. Opening maps a few files; it pickles as its path."""

    def __init__(self, folder: str | Path, tokenizer: Any) -> None:
        """Open a dataset.

        Args:
            tokenizer: a transformers tokenizer, or a ModelTokenizer that wraps one.

        Raises:
            DatasetError: the folder is missing, incomplete or not an IN2 dataset.
            TokenizerMismatch: the dataset was built for another tokenizer or chat template.
        """
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        if not isinstance(tokenizer, ModelTokenizer):
            tokenizer = ModelTokenizer(tokenizer)
        template = Template(self.manifest.template, tokenizer)
        self._require_fingerprint("tokenizer", tokenizer.fingerprint(), self.manifest.tokenizer_fingerprint, tokenizer)
        self._require_fingerprint(
            "chat template", template.fingerprint(), self.manifest.template_fingerprint, tokenizer
        )
        self.store = SegmentStore(self.folder / layout.SEGMENTS)
        self.tokenizer = tokenizer
        self.renderer = Renderer(self.store, tokenizer, template)
        prepare_frames(template, self.manifest.most_turns, self.manifest.most_turns_general)
        for text, ids in self.plans.template_ids.items():
            self._require_ids("the chat template", ids, tokenizer.ids([text])[0])

    def _require_fingerprint(self, what: str, given: str, built: str, tokenizer: ModelTokenizer) -> None:
        if given != built:
            raise TokenizerMismatch(
                f"{self.folder}: was built for the {what} of {self.manifest.tokenizer} ({built}), not for that of "
                f"{tokenizer.name} ({given}); set `tokenizer: {tokenizer.name}` in its build file and build again "
                "into another folder"
            )

    def _require_ids(self, what: str, stored: Sequence[int], given: Sequence[int]) -> None:
        for old, new in zip_longest(stored, given):
            if old != new:
                token = self.tokenizer.decode([new if new is not None else old])
                raise TokenizerMismatch(
                    f"{self.folder}: {what} has other token ids than {self.tokenizer.name} gives, although the "
                    f"vocabulary is the same (at {token!r}, {old} is stored and {new} is given); use the tokenizer of "
                    "the build, remove the tokens that the training config adds to it, or build again into another "
                    f"folder, with {LOADER}=transformers if only transformers gives these ids"
                )

    def require_stored_ids(self) -> None:
        """Compare the stored token ids of a few segments and one example with those that this tokenizer gives.

        A trainer calls this once. The fingerprint compares vocabulary and pipeline; this also compares added tokens,
        and the build's way to load the tokenizer with the trainer's.

        Raises:
            TokenizerMismatch: the ids differ.
        """
        candidates = np.linspace(0, len(self.store) - 1, min(len(self.store), 8 * COMPARED_SEGMENTS)).astype(int)
        usable = candidates[self.store.standing[candidates] == SegmentStatus.USABLE]
        sample = usable[:: max(1, len(usable) // COMPARED_SEGMENTS)].tolist()
        given = anchored_ids(self.tokenizer, self.store.texts(sample))
        for segment, ids in zip(sample, given, strict=True):
            self._require_ids(f"segment {segment}", self.store.ids(segment).tolist(), ids)
        for row in islice(self.rows(), 1):
            self._require_ids("example 0", self.plans.assemble(0)[0].tolist(), self.render(row).input_ids.tolist())

    def __len__(self) -> int:
        return self.manifest.examples

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of examples.parquet in order, with one row group in memory."""
        return read_rows(self.folder / layout.EXAMPLES)

    def render(self, row: Mapping[str, Any]) -> Rendered:
        """Return the token ids and labels of one row of examples.parquet.

        Raises:
            DatasetError: the length differs from the plan, so the segments have changed since the build.
        """
        return render_row(self.renderer, row, self.folder)

    @cached_property
    def plans(self) -> Plans:
        """Plans of the examples, by number.

        Raises:
            DatasetError: the plans are missing, incomplete or damaged.
        """
        return Plans(self.folder / layout.PLANS, self.store, self.tokenizer)

    def text(self, row: Mapping[str, Any]) -> str:
        """Return the rendered text of one row."""
        return self.renderer.text(row["segment_ids"], turns_of(row))

    def messages(self, row: Mapping[str, Any]) -> list[dict[str, str]]:
        """Return one row as messages for the model's chat template."""
        return self.renderer.messages(row["segment_ids"], turns_of(row))


def render_row(renderer: Renderer, row: Mapping[str, Any], folder: Path) -> Rendered:
    """Return the token ids and labels of one row of the examples in `folder`.

    Raises:
        DatasetError: the length differs from the plan, so the segments have changed since the build.
    """
    rendered = renderer.render(row["segment_ids"], turns_of(row))
    answer_tokens = sum(stop - start for start, stop in rendered.answers)
    if (len(rendered.input_ids), answer_tokens) != (row["n_tokens"], row["n_answer_tokens"]):
        raise DatasetError(
            f"{folder}: an example planned with {row['n_tokens']} tokens has {len(rendered.input_ids)}; "
            "its segments changed after the build; run `in2 build --restart`"
        )
    return rendered


def turns_of(row: Mapping[str, Any]) -> list[Turn]:
    """Return the questions and answers of a row of examples.parquet."""
    return [(turn["question"], turn["answer"]) for turn in row["turns"]]


def prepare_frames(template: Template, most_turns: int, most_turns_general: int) -> None:
    """Compute the frames for every number of turns, for processes that have no chat template."""
    for n in range(1, most_turns + 1):
        template.frame(n, True)
    for n in range(1, most_turns_general + 1):
        template.frame(n, False)
