"""A build over several files, in shards of a second's work or less, and what must be equal of two such builds."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

from in2_plugin.config import BuildConfig
from in2_plugin.pipeline.array_job import ArrayJob
from tests.support.builds import small_config

SIZES = {
    "in2_plugin.pipeline.stages.segments.SHARD_BYTES": 60_000,
    "in2_plugin.corpus.screening.screen.SHARD_SEGMENTS": 300,
    "in2_plugin.pipeline.stages.sharded_writer.SHARD_PASSAGES": 32,
    "in2_plugin.pipeline.stages.sharded_writer.LEAST_PASSAGES": 32,
    "in2_plugin.pipeline.stages.examples.SHARD_EXAMPLES": 32,
}
"""The driver alone makes shards out; workers know nothing of their sizes."""
MERGE = ArrayJob(number=0)
SMALLER = {"mixture": {"fine_grained": 20, "integration": 5}, "lengths": {"min": 300, "max": 600}}
"""Changes of `config` for tests that need few examples."""
NAMED = {"build.json", "manifest.json", "README.md", "build.lock"}
"""These say where a dataset is, how many workers made it, and who held it."""


@contextmanager
def small_shards() -> Iterator[None]:
    """Many shards a stage, although the build is small."""
    with ExitStack() as stack:
        for name, size in SIZES.items():
            stack.enter_context(mock.patch(name, size))
        yield


def write_corpus(folder: Path, texts: Sequence[str]) -> Path:
    """Texts as JSON Lines, one of them twice and some of the lines empty."""
    half = len(texts) // 2
    for name, some in {"a": [*texts[:half], "", " \n"], "b": [*texts[half:], texts[3]]}.items():
        lines = [json.dumps({"text": text}) for text in some]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return folder


def config(corpus: Path, output: Path, tokenizer: Path, **changes: object) -> BuildConfig:
    """All of one source, and the beginning of another."""
    sources = [str(corpus), {"path": "bundled:python-docs", "limit": 60}]
    mixture = {"fine_grained": 60, "integration": 20, "short_context": 20, "records": 16}
    values = {"corpus": {"sources": sources}, "mixture": mixture, "lengths": {"min": 400, "max": 1_200}, **changes}
    return small_config(output, tokenizer, **values)


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in NAMED)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_same(one: Path, other: Path) -> None:
    """The same files with the same bytes, and nothing left over."""
    first, second = bytes_of(one), bytes_of(other)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
