"""Split files into parts: JSON Lines at bytes, Parquet between row groups, other files not at all.

Invariant: the parts of a file cover it once, in order, and depend only on its size and row groups. Cost: reading the
footer of each Parquet file that is larger than a part, FOOTERS_AT_ONCE at a time.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

from in2_plugin.corpus.sources.file_rows import row_group_bytes
from in2_plugin.corpus.sources.list_files import Listed
from in2_plugin.io.remote import COMPRESSIONS

# a footer in a bucket takes two requests of about 50 ms each, so a thousand files take seconds
FOOTERS_AT_ONCE = 16

Range = tuple[int, int | None, int]
"""(start, stop, bytes) of a part."""


def split(
    files: Sequence[tuple[Listed, str]], column: str, folder: str, part_bytes: int
) -> Iterator[tuple[Listed, str, list[Range]]]:
    """Yield each file with its kind and its parts of about `part_bytes`; Parquet counts the bytes of `column`.

    Raises:
        CorpusError: the footer of a Parquet file cannot be read.
    """
    large = [file.path for file, kind in files if _is_table(file, kind) and file.size > part_bytes]
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
        row_groups = dict(zip(large, pool.map(lambda path: row_group_bytes(path, folder, column), large), strict=True))
    for file, kind in files:
        if groups := row_groups.get(file.path):
            yield file, kind, _runs(groups, part_bytes)
        elif kind == "jsonl" and not _is_compressed(file):
            yield file, kind, ranges(file.size, part_bytes)
        else:
            yield file, kind, [(0, None, file.size)]


def ranges(size: int, part_bytes: int) -> list[Range]:
    """Return parts of about `part_bytes` of a file of `size` bytes."""
    n = max(1, round(size / part_bytes))
    starts = [i * size // n for i in range(n)]
    return [(start, stop, (size if stop is None else stop) - start) for start, stop in zip_longest(starts, starts[1:])]


def _runs(sizes: Sequence[int], part_bytes: int) -> list[Range]:
    """Return runs of row groups; a run ends with the group that fills it."""
    runs, start, size = list[Range](), 0, 0
    for i, one in enumerate(sizes, start=1):
        size += one
        if size >= part_bytes or i == len(sizes):
            runs.append((start, i, size))
            start, size = i, 0
    return runs


def _is_table(file: Listed, kind: str) -> bool:
    return kind == "parquet" and not _is_compressed(file)


def _is_compressed(file: Listed) -> bool:
    return file.path.lower().endswith(tuple(COMPRESSIONS))
