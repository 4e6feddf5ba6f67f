"""A finished dataset folder, opened for one tokenizer: its examples as token ids and labels.

    my-in2/
      build.json           the build file it comes from, written first
      segments/            the segment store
      questions.parquet    every question, with its gold segment ids
      rejected.parquet     passages and questions that were turned down, with the reason
      instructions.parquet conversations of the general part
      examples.parquet     one row an example: segment ids in reading order, turns with gold ranges, counts
      plans/               the same for trainers: flat files, no text, any example in microseconds
      audit.json           what `in2 audit` found; report.html shows it
      README.md            dataset card; makes `datasets.load_dataset` read examples.parquet
      manifest.json        written last: without it the folder is unfinished

Invariant: a dataset is only ever rendered with a tokenizer and template that have its fingerprints.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from in2_plugin import layout
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.plans import Plans
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import DatasetError, TokenizerMismatch
from in2_plugin.examples.rendering import Rendered, Renderer
from in2_plugin.examples.template import Template, Turn

FORMAT = 3
"""Version of the folder's layout; a reader refuses a newer one."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` says; its existence means that the folder is complete."""

    format: int
    version: str
    """Version of in2-plugin that wrote it."""
    tokenizer: str
    """Name or folder of the tokenizer, for messages."""
    tokenizer_fingerprint: str
    template: Literal["chat", "film"]
    template_fingerprint: str
    joining: str
    examples: int
    longest: int
    """Tokens of the longest example: the least `sequence_len` that loses nothing."""
    most_turns: int
    """Turns about one context, at most."""
    most_turns_general: int
    """Turns of a conversation without a context, at most."""
    counts: Mapping[str, int]
    build: Mapping[str, Any]
    """The build file, with its defaults filled in."""


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished dataset.

    Raises:
        DatasetError: there is no such folder, it is no IN2 dataset, it is unfinished, or its layout is newer.
    """
    if not folder.is_dir():
        raise DatasetError(f"there is no IN2 dataset at {folder}; build it with `in2 build`, or correct the path")
    try:
        data = dict(json.loads((folder / layout.MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        if (folder / layout.BUILD).exists():
            raise DatasetError(f"{folder}: is a half-built IN2 dataset; run `in2 build` again to finish it") from None
        raise DatasetError(
            f"{folder}: is not an IN2 dataset (it has no manifest.json); give a folder that `in2 build` made"
        ) from None
    except (ValueError, TypeError):
        raise DatasetError(
            f"{folder}/manifest.json: is damaged; run `in2 build --restart` to make the dataset again"
        ) from None
    if data.get("format") != FORMAT:
        raise DatasetError(
            f"{folder}: has layout {data.get('format')}, and this version reads layout {FORMAT}; "
            "install the version of in2-plugin that wrote it"
        )
    return Manifest(**data)


class IN2Dataset:
    """Examples of a finished dataset for one tokenizer. Opening costs some memory maps; pickling costs a path."""

    def __init__(self, folder: str | Path, tokenizer: Any) -> None:
        """Open a dataset.

        Args:
            tokenizer: a tokenizer of transformers, or a ModelTokenizer around one.

        Raises:
            DatasetError: the folder is missing, unfinished or no IN2 dataset.
            TokenizerMismatch: it was built for another tokenizer or chat template.
        """
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        if not isinstance(tokenizer, ModelTokenizer):
            tokenizer = ModelTokenizer(tokenizer)
        template = Template(self.manifest.template, tokenizer)
        self._refuse_others("tokenizer", tokenizer.fingerprint(), self.manifest.tokenizer_fingerprint, tokenizer)
        self._refuse_others("chat template", template.fingerprint(), self.manifest.template_fingerprint, tokenizer)
        self.store = SegmentStore(self.folder / layout.SEGMENTS)
        self._tokenizer = tokenizer
        self.renderer = Renderer(self.store, tokenizer, template)
        prepare_frames(template, self.manifest.most_turns, self.manifest.most_turns_general)

    def _refuse_others(self, what: str, given: str, built: str, tokenizer: ModelTokenizer) -> None:
        if given != built:
            raise TokenizerMismatch(
                f"{self.folder}: was built for the {what} of {self.manifest.tokenizer} ({built}), not for that of "
                f"{tokenizer.name} ({given}); set `tokenizer: {tokenizer.name}` in its build file and build again "
                "into another folder"
            )

    def __len__(self) -> int:
        return self.manifest.examples

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows of examples.parquet in order, one row group in memory at a time."""
        return read_rows(self.folder / layout.EXAMPLES)

    def render(self, row: Mapping[str, Any]) -> Rendered:
        """Token ids and labels of one row of examples.parquet.

        Raises:
            DatasetError: the row does not come out as long as it was planned, so store and examples differ.
        """
        return render_row(self.renderer, row, self.folder)

    @cached_property
    def plans(self) -> Plans:
        """The examples by number.

        Raises:
            DatasetError: they are missing, unfinished or damaged.
        """
        return Plans(self.folder / layout.PLANS, self.store, self._tokenizer)

    def text(self, row: Mapping[str, Any]) -> str:
        """The rendered text of one row."""
        return self.renderer.text(row["segment_ids"], turns_of(row))

    def messages(self, row: Mapping[str, Any]) -> list[dict[str, str]]:
        """One row as messages for the model's chat template."""
        return self.renderer.messages(row["segment_ids"], turns_of(row))


def render_row(renderer: Renderer, row: Mapping[str, Any], folder: Path) -> Rendered:
    """Token ids and labels of one row of the examples in `folder`.

    Raises:
        DatasetError: the row does not come out as long as it was planned, so store and examples differ.
    """
    rendered = renderer.render(row["segment_ids"], turns_of(row))
    answer_tokens = sum(stop - start for start, stop in rendered.answers)
    if (len(rendered.input_ids), answer_tokens) != (row["n_tokens"], row["n_answer_tokens"]):
        raise DatasetError(
            f"{folder}: an example planned with {row['n_tokens']} tokens has {len(rendered.input_ids)}; "
            "its segments were changed after the build; run `in2 build --restart`"
        )
    return rendered


def turns_of(row: Mapping[str, Any]) -> list[Turn]:
    """Questions and answers of a row of examples.parquet."""
    return [(turn["question"], turn["answer"]) for turn in row["turns"]]


def prepare_frames(template: Template, most_turns: int, most_turns_general: int) -> None:
    """Find the fixed texts for every number of turns, so that a process without the chat template has them."""
    for n in range(1, most_turns + 1):
        template.frame(n, True)
    for n in range(1, most_turns_general + 1):
        template.frame(n, False)
