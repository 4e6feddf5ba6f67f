"""Read rows of Hugging Face datasets: streamed from the hub in the dataset's own shards, or from a saved folder.

Invariant: the shards in order are the dataset in its order. Each process opens a dataset once, because opening one on
the hub lists its files. Memory: one row group or block of the file for a stream, a memory map for a saved dataset.
"""

from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from in2_plugin.config.corpus import Source
from in2_plugin.errors import CorpusError, one_line
from in2_plugin.io.remote import local_path

# Files that `Dataset.save_to_disk` writes at the top of its folder.
SAVED_DATASET = ("dataset_dict.json", "state.json")
_opened: dict[tuple[str, str | None, str], Any] = {}
"""Datasets that this process has opened."""


def is_saved(folder: Path) -> bool:
    """Check that `save_to_disk` wrote this folder."""
    return any((folder / name).is_file() for name in SAVED_DATASET)


def dataset_parts(source: Source, folder: str, part_bytes: int) -> list[tuple[int, int | None, int]]:
    """Return (start, stop, bytes) of each part: the dataset's own shards, or rows of a saved dataset.

    Raises:
        CorpusError: the dataset cannot be opened.
    """
    dataset = _open(source, folder, reopen=True)
    if not is_saved(local_path(source.path, folder)):
        return [(shard, shard + 1, 0) for shard in range(dataset.num_shards)]
    rows, size = len(dataset), dataset.data.nbytes
    n = max(1, min(rows, round(size / part_bytes)))
    bounds = [i * rows // n for i in range(n)]
    return [(start, stop, size // n) for start, stop in zip_longest(bounds, bounds[1:])]


def dataset_rows(
    source: Source, folder: str, start: int, stop: int | None, place: Callable[[int], str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row, fields) of one of `dataset_parts`, counted from 1.

    Raises:
        CorpusError: the dataset cannot be opened, or reading it fails.
    """
    dataset = _open(source, folder)
    if is_saved(local_path(source.path, folder)):
        rows = iter(dataset.select(range(start, len(dataset) if stop is None else stop)))
    else:
        rows = iter(dataset.shard(num_shards=dataset.num_shards, index=start))
    number = 0
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except Exception as failure:  # the hub, fsspec and dataset builders raise any exception
            raise _failure(place(number), source, folder, failure) from None
        yield number, dict(row)


def _open(source: Source, folder: str, reopen: bool = False) -> Any:
    path = local_path(source.path, folder)
    named = str(path) if path.exists() else source.path
    key = named, source.name, source.split
    if reopen or key not in _opened:
        try:
            _opened[key] = _load(source, path, named)
        except Exception as failure:
            raise _failure(source.path, source, folder, failure) from None
    return _opened[key]


def _load(source: Source, path: Path, named: str) -> Any:
    """Return a streaming dataset, or a memory-mapped one if `save_to_disk` wrote the folder `path`."""
    import datasets

    if is_saved(path):
        saved = datasets.load_from_disk(path)
        return saved[source.split] if isinstance(saved, dict) else saved
    return datasets.load_dataset(named, name=source.name, split=source.split, streaming=True)


def _failure(place: str, source: Source, folder: str, failure: Exception) -> CorpusError:
    reason = one_line(failure)
    here = "" if local_path(source.path, folder).exists() else "does not exist here, and "
    return CorpusError(
        f"{place}: {here}cannot be read as a Hugging Face dataset ({reason}); check `path`, `name` and `split`"
    )
