"""Read the authors' own data: the dataset on the hub, a copy of it, or the files that their download script wrote.

A row is one question with its whole prompt of about 130 kB, so rows are streamed. Invariant: every row that is yielded
has a set, a position, a prompt and its gold. Cost: 3,200 rows of JSON lines take 1 s and 45 MB. Parquet takes up to
0.5 GB at times, because a row group of 1,000 prompts is decoded whole. From the hub, the files of one probe are
downloaded once and kept in its cache.
"""

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ProbeError, one_line
from in2_plugin.probing.probes.probe import Probe
from in2_plugin.probing.scoring.published import published_facts

HUB_ID = "In2Training/VaLProbing-32K"
UNUSED = " "
"""The content of a field that a probe does not use; the authors' download script drops such fields."""
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_BATCH = 16
"""Rows of Parquet decoded at a time: 2 MB."""


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One question as the authors published it."""

    place: str
    """File and row (from 1), for error messages."""
    set: int
    position: int
    prompt: str
    gold: tuple[str, ...]
    """The texts in the probe's `gold_fields`."""


def read_published(probe: Probe, data: str) -> Iterator[PublishedRow]:
    """Yield the rows of one probe in the order of their files.

    Args:
        probe: one of the paper's probes.
        data: name of a dataset on the hub, a folder with files named like the split, or one such file.

    Raises:
        ProbeError: there is no such data, or a row is invalid; names file, row and field.
    """
    for file in _files(published_facts(probe).split, data):
        rows = _parquet(file) if file.suffix == ".parquet" else json_lines(file)
        for number, row in enumerate(rows, start=1):
            yield _checked(row, f"{file}, row {number}", probe.gold_fields)


def _files(split: str, data: str) -> list[Path]:
    path = Path(data).expanduser()
    if path.is_file():
        return [path]
    return _of_split(data_folder(data, [f"*{split}*"], f"give a folder with a copy, or {HUB_ID} on the hub"), split)


def data_folder(data: str, patterns: Sequence[str], advice: str) -> Path:
    """Return a local folder, or one with the files of a dataset on the hub, which are downloaded once.

    Args:
        data: a folder, or the name of a dataset.
        patterns: of the files to download.
        advice: what to do if there is no such folder; ends the message.

    Raises:
        ProbeError: there is neither.
    """
    path = Path(data).expanduser()
    if path.is_dir():
        return path
    if _HUB_NAME.fullmatch(data):
        return _downloaded(data, patterns, advice)
    raise ProbeError(f"{data}: there is no such file or folder; {advice}")


def _of_split(folder: Path, split: str) -> list[Path]:
    """Return the files named like the split, sharded or not, or in a folder of that name."""
    name = re.compile(rf"(.*/)?{split}(-\d+-of-\d+|/[^/]+)?\.(parquet|jsonl)")
    files = sorted(path for path in folder.rglob("*") if name.fullmatch(path.relative_to(folder).as_posix()))
    if not files:
        raise ProbeError(
            f"{folder} has no {split}.jsonl and no Parquet files of that name; give a folder that "
            "VaLProbing/download.py of microsoft/FILM wrote, or a copy of the dataset on the hub"
        )
    if len(kinds := {(path.parent, path.suffix) for path in files}) > 1:
        there = " and ".join(sorted(f"{parent}/*{suffix}" for parent, suffix in kinds))
        raise ProbeError(f"{folder} has {split} more than once ({there}); give the folder of one of them")
    return files


def _downloaded(name: str, patterns: Sequence[str], advice: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, repo_type="dataset", allow_patterns=list(patterns)))
    except Exception as failure:  # OSError, ValueError or one of huggingface_hub's own
        reason = one_line(failure)
        raise ProbeError(
            f"{name}: there is no such folder, and the hub does not provide it ({reason}); {advice}"
        ) from None


def json_lines(file: Path) -> Iterator[Any]:
    """Yield the rows of a JSON-lines file, gzipped or not.

    Raises:
        ProbeError: the file cannot be read, or a row is not JSON; names file and row.
    """
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                yield _json(line, f"{file}, row {number}")
    except (OSError, EOFError, zlib.error) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise ProbeError(f"{file}: cannot be read ({reason}); download the file again") from None


def _json(line: bytes, place: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as problem:
        raise ProbeError(f"{place}: is not JSON ({problem}); fix the row or download the file again") from None


def _parquet(file: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20) as table:
            for batch in table.iter_batches(_BATCH, use_threads=False):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as problem:
        raise ProbeError(f"{file}: cannot be read ({problem}); download the file again") from None


def _checked(row: Any, place: str, gold_fields: tuple[str, ...]) -> PublishedRow:
    if not isinstance(row, dict):
        raise ProbeError(f"{place}: is not a JSON object; it must be like the rows of {HUB_ID}")
    gold = tuple(text_of(row, field, place) for field in gold_fields)
    prompt = text_of(row, "prompt", place)
    return PublishedRow(place, number_of(row, "set_id", place), number_of(row, "position_id", place), prompt, gold)


def text_of(row: Mapping[str, Any], field: str, place: str) -> str:
    """Return the text in a field.

    Raises:
        ProbeError: it is missing, unused, blank or not text; names `place` and field.
    """
    value = row.get(field, UNUSED)
    if not isinstance(value, str):
        raise ProbeError(f"{place}: `{field}` must be text, not {type(value).__name__}; fix the row")
    # scoring strips dots, so a gold of nothing but dots would be in every answer
    if not value.strip(" \t\r\n."):
        raise ProbeError(f"{place}: `{field}` is missing or blank; is this the file of another probe?")
    return value


def number_of(row: Mapping[str, Any], field: str, place: str) -> int:
    """Return the number (0 or more) in a field; a string of digits is accepted.

    Raises:
        ProbeError: it is something else; names `place` and field.
    """
    value = row.get(field)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ProbeError(f"{place}: `{field}` must be a number of 0 or more, not {value!r}; fix the row")
    return value
