"""The rows of the authors' own data: of the hub's dataset, of a copy of it, or of what their download script wrote.

A row is one question with its whole prompt of about 130 kB, so rows are streamed and never held together. Invariant: a
row that comes out has a place of its own, a prompt and its gold. Cost: 3,200 rows of JSON lines take 1 s and 45 MB.
Parquet takes up to 0.5 GB for a moment, because a row group of 1,000 prompts is decoded whole. From the hub, the files
of one probe are downloaded once and then kept in its cache.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ProbeError

HUB_ID = "In2Training/VaLProbing-32K"
SPLITS = {"document": "document_bi_32k", "code": "code_backward_32k", "database": "database_forward_32k"}
GOLD_FIELDS = {"document": ("completion",), "code": ("completion",), "database": ("label", "description")}
UNUSED = " "
"""What stands in a field that a probe does not use; the authors' download script drops such fields."""
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_BATCH = 16
"""Rows of Parquet held at a time: 2 MB."""


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One question as it was published."""

    place: str
    """File and row, from 1, for messages."""
    set: int
    position: int
    prompt: str
    gold: tuple[str, ...]
    """The completion; for the database probe label and description."""


def read_published(kind_name: str, data: str) -> Iterator[PublishedRow]:
    """The rows of one probe in the order of their files.

    Args:
        kind_name: `document`, `code` or `database`.
        data: name of a dataset of the hub, a folder with files called like the split, or one such file.

    Raises:
        ProbeError: there is no such data, or a row of it cannot be used; names file, row and field.
    """
    for file in _files(SPLITS[kind_name], data):
        rows = _parquet(file) if file.suffix == ".parquet" else json_lines(file)
        for number, row in enumerate(rows, start=1):
            yield _checked(row, f"{file}, row {number}", GOLD_FIELDS[kind_name])


def _files(split: str, data: str) -> list[Path]:
    path = Path(data).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        return _of_split(path, split)
    if _HUB_NAME.fullmatch(data):
        return _of_split(_downloaded(data, split), split)
    raise ProbeError(f"{data}: there is no such file or folder; give one with a copy, or {HUB_ID} of the hub")


def _of_split(folder: Path, split: str) -> list[Path]:
    """Files called like the split, in shards or not, or lying in a folder called like it."""
    name = re.compile(rf"(.*/)?{split}(-\d+-of-\d+|/[^/]+)?\.(parquet|jsonl)")
    files = sorted(path for path in folder.rglob("*") if name.fullmatch(path.relative_to(folder).as_posix()))
    if not files:
        raise ProbeError(
            f"{folder} has no {split}.jsonl and no Parquet files of that name; give a folder that "
            "VaLProbing/download.py of microsoft/FILM wrote, or a copy of the hub's dataset"
        )
    if len(kinds := {(path.parent, path.suffix) for path in files}) > 1:
        there = " and ".join(sorted(f"{parent}/*{suffix}" for parent, suffix in kinds))
        raise ProbeError(f"{folder} holds {split} more than once ({there}); give the folder of one of them")
    return files


def _downloaded(name: str, split: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, repo_type="dataset", allow_patterns=[f"*{split}*"]))
    except Exception as failure:  # OSError, ValueError and the hub's own, by what is wrong
        reason = (str(failure).strip().splitlines() or [type(failure).__name__])[0]
        raise ProbeError(
            f"{name}: is no folder here and cannot be had from the hub ({reason}); give a folder with a copy"
        ) from None


def json_lines(file: Path) -> Iterator[Any]:
    """The rows of a file of JSON lines, one at a time.

    Raises:
        ProbeError: the file cannot be read, or a row is not JSON; names both.
    """
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                yield _json(line, f"{file}, row {number}")
    except OSError as problem:
        raise ProbeError(f"{file}: cannot be read ({problem.strerror or problem}); fetch the file again") from None


def _json(line: bytes, place: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as problem:
        raise ProbeError(f"{place}: is not JSON ({problem}); mend the row or fetch the file again") from None


def _parquet(file: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20) as table:
            for batch in table.iter_batches(_BATCH, use_threads=False):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as problem:
        raise ProbeError(f"{file}: cannot be read ({problem}); fetch the file again") from None


def _checked(row: Any, place: str, gold_fields: tuple[str, ...]) -> PublishedRow:
    if not isinstance(row, dict):
        raise ProbeError(f"{place}: is no JSON object; it must be like the rows of {HUB_ID}")
    gold = tuple(text_of(row, field, place) for field in gold_fields)
    prompt = text_of(row, "prompt", place)
    return PublishedRow(place, number_of(row, "set_id", place), number_of(row, "position_id", place), prompt, gold)


def text_of(row: Mapping[str, Any], field: str, place: str) -> str:
    """A field that has to hold text.

    Raises:
        ProbeError: it is missing, unused or blank; names `place` and field.
    """
    value = row.get(field, UNUSED)
    if not isinstance(value, str):
        raise ProbeError(f"{place}: `{field}` holds {type(value).__name__} where text belongs; mend the row")
    # a gold of dots alone would be in every answer: dots at its ends do not count
    if not value.strip(" \t\r\n."):
        raise ProbeError(f"{place}: `{field}` is missing or blank; is this the file of another probe?")
    return value


def number_of(row: Mapping[str, Any], field: str, place: str) -> int:
    """A field that has to hold a number from 0; digits as text count.

    Raises:
        ProbeError: it holds something else; names `place` and field.
    """
    value = row.get(field)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ProbeError(f"{place}: `{field}` is {value!r} where a number from 0 belongs; mend the row")
    return value
