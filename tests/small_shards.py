"""Builds whose stages have many shards although they are small; shards are made out by the driver alone."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

SIZES = {
    "in2_plugin.stages.segments.SHARD_BYTES": 60_000,
    "in2_plugin.corpus.screening.SHARD_SEGMENTS": 300,
    "in2_plugin.stages.writing.SHARD_PASSAGES": 32,
    "in2_plugin.stages.writing.LEAST_PASSAGES": 32,
    "in2_plugin.stages.examples.SHARD_EXAMPLES": 32,
}


@contextmanager
def small_shards() -> Iterator[None]:
    """Shards of a second's work or less."""
    with ExitStack() as stack:
        for name, size in SIZES.items():
            stack.enter_context(mock.patch(name, size))
        yield
