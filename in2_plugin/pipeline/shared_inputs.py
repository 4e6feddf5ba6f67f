"""What all workers of a stage read besides the dataset: files in `parts/` that the driver writes once.

Invariant: a file under its name is whole and made of what its metadata says. Jobs of an array may write the same one at
the same time: each under a name of its own, and the last one is renamed over the others, whose bytes are the same.
"""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from in2_plugin import layout
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.plans import digest_of
from in2_plugin.examples.fillers import FillerPool
from in2_plugin.io.atomic import write_atomic
from in2_plugin.pipeline.run import Run
from in2_plugin.pipeline.shards import digest


def stage_input(run: Run, name: str, made_of: str, write: Callable[[Path, str], None]) -> Path:
    """`parts/NAME`, an Arrow file; written now, with `made_of` in its metadata, unless one of that is there."""
    path = run.folder / layout.PARTS / name
    if _made_of(path) == made_of:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(".".join(filter(None, (name, run.portion.name))))
    write_atomic(own, lambda part: write(part, made_of))
    own.replace(path)
    return path


def filler_pool(run: Run, store: SegmentStore) -> Path:
    """The file of the store's fillers: `FillerPool.open` maps it. Removed with the parts of the examples.

    Cost: while it is written, about 40 bytes a segment of memory, once; then 12 bytes a segment on disk.
    """
    screened = [store.folder / name for name in (layout.EXCLUSIONS, layout.SCREENING_FACTS)]
    made_of = digest(store.facts, [digest_of(path) for path in screened if path.exists()])

    def write(part: Path, made_of: str) -> None:
        FillerPool.of(store.usable, store.n_tokens, store.document).write(part, made_of)

    return stage_input(run, layout.POOL, made_of, write)


def remove_inputs(run: Run, *names: str) -> None:
    """Remove them, and what killed jobs left of them."""
    for name in names:
        for path in (run.folder / layout.PARTS).glob(f"{name}*"):
            path.unlink(missing_ok=True)


def _made_of(path: Path) -> str | None:
    if not path.exists():
        return None
    with pa.memory_map(str(path)) as file:
        found = (pa.ipc.open_file(file).schema.metadata or {}).get(b"made_of")
    return None if found is None else str(found.decode())
