"""Write files that all workers of a stage read besides the dataset: once, by the driver, in `parts/`.

Invariant: a file with the final name is complete and made of the inputs in its metadata. Jobs of an array may write the
same file at the same time: each under its own name, then renamed to the final one; their bytes are equal.
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
    """Return the Arrow file `parts/NAME`; write it first unless it exists with `made_of` in its metadata."""
    path = run.folder / layout.PARTS / name
    if _made_of(path) == made_of:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(".".join(filter(None, (name, run.array_job.name))))
    write_atomic(own, lambda part: write(part, made_of))
    own.replace(path)
    return path


def filler_pool(run: Run, store: SegmentStore) -> Path:
    """Return the file of the corpus segments that may be fillers, which `FillerPool.open` maps.

    The example stage removes it. Cost: about 40 bytes of memory per segment while it is written, 12 bytes on disk.
    """
    screened = [store.folder / name for name in (layout.EXCLUSIONS, layout.SCREENING_FACTS)]
    made_of = digest(store.facts, [digest_of(path) for path in screened if path.exists()])

    def write(part: Path, made_of: str) -> None:
        FillerPool.of(store.usable, store.n_tokens, store.document, store.corpus_segments).write(part, made_of)

    return stage_input(run, layout.POOL, made_of, write)


def remove_inputs(run: Run, *names: str) -> None:
    """Remove the files, and unfinished ones of killed jobs."""
    for name in names:
        for path in (run.folder / layout.PARTS).glob(f"{name}*"):
            path.unlink(missing_ok=True)


def _made_of(path: Path) -> str | None:
    if not path.exists():
        return None
    with pa.memory_map(str(path)) as file:
        found = (pa.ipc.open_file(file).schema.metadata or {}).get(b"made_of")
    return None if found is None else str(found.decode())
