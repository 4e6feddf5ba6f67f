"""A finished dataset folder, opened for one tokenizer: its examples as token ids and labels.

    my-in2/
      build.json           the build file it comes from, written first
      segments/            the segment store
      questions.parquet    every question, with its gold segment ids
      rejected.parquet     passages and questions that were turned down, with the reason
      examples.parquet     one row an example: segment ids in reading order, gold ranges, counts
      README.md            dataset card; makes `datasets.load_dataset` read examples.parquet
      manifest.json        written last: without it the folder is unfinished

Invariant: a dataset is only ever rendered with a tokenizer and template that have its fingerprints.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from in2_plugin.contexts.rendering import Rendered, Renderer
from in2_plugin.contexts.template import make_template
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.errors import DatasetError, TokenizerMismatch

FORMAT = 1
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
        data = dict(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        if (folder / "build.json").exists():
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

    def __init__(self, folder: str | Path, tokenizer: ModelTokenizer) -> None:
        """Open a dataset.

        Raises:
            DatasetError: the folder is missing, unfinished or no IN2 dataset.
            TokenizerMismatch: it was built for another tokenizer or chat template.
        """
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        template = make_template(self.manifest.template, tokenizer)
        self._refuse_others("tokenizer", tokenizer.fingerprint(), self.manifest.tokenizer_fingerprint, tokenizer)
        self._refuse_others("chat template", template.fingerprint(), self.manifest.template_fingerprint, tokenizer)
        self.store = SegmentStore(self.folder / "segments")
        self._renderer = Renderer(self.store, tokenizer, template)

    def _refuse_others(self, what: str, given: str, built: str, tokenizer: ModelTokenizer) -> None:
        if given != built:
            raise TokenizerMismatch(
                f"{self.folder}: was built for the {what} of {self.manifest.tokenizer} ({built}), not for that of "
                f"{tokenizer.name} ({given}); set `tokenizer: {tokenizer.name}` in its build file and build again "
                "into another folder"
            )

    def __len__(self) -> int:
        return self.manifest.examples

    def render(self, row: Mapping[str, Any]) -> Rendered:
        """Token ids and labels of one row of examples.parquet.

        Raises:
            DatasetError: the row does not come out as long as it was planned, so store and examples differ.
        """
        rendered = self._renderer.render(row["segment_ids"], row["question"], row["answer"])
        start, stop = rendered.answer
        if (len(rendered.input_ids), stop - start) != (row["n_tokens"], row["n_answer_tokens"]):
            raise DatasetError(
                f"{self.folder}: an example planned with {row['n_tokens']} tokens has {len(rendered.input_ids)}; "
                "its segments were changed after the build; run `in2 build --restart`"
            )
        return rendered
