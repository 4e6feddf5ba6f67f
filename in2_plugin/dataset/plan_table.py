"""Convert plans to record batches, which workers return and the build writes to `plans/`.

Invariant: plans are read as they were written. Cost: about 1 KB per plan.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from in2_plugin.dataset.plans import ANSWER, ExamplePlan

PLAN = pa.schema(
    [
        ("part", pa.string()),
        ("head", pa.string()),
        ("segment_ids", pa.list_(pa.uint32())),
        ("tail", pa.binary()),
        ("answers", pa.binary()),
        ("openings", pa.list_(pa.uint32())),
        ("n_tokens", pa.uint32()),
    ]
)
"""`answers` contains the bytes of ANSWER records."""


def batch_of(plans: Sequence[ExamplePlan]) -> pa.RecordBatch:
    """Return a record batch with one row per plan."""
    columns = [
        [plan.part for plan in plans],
        [plan.head for plan in plans],
        [plan.segment_ids for plan in plans],
        [plan.tail for plan in plans],
        [plan.answers.tobytes() for plan in plans],
        [plan.openings for plan in plans],
        [plan.n_tokens for plan in plans],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, PLAN, strict=True)]
    return pa.record_batch(arrays, schema=PLAN)


def plans_in(batch: pa.RecordBatch) -> Iterator[ExamplePlan]:
    """Yield the plans of a record batch."""
    part, head, segments, tail, answers, openings, n_tokens = batch.columns
    # numpy instead of lists: a context of 32K tokens has about 250 segment ids
    ids = segments.flatten().to_numpy()
    stops = np.cumsum(segments.value_lengths().to_numpy()).tolist()
    columns = [column.to_pylist() for column in (part, head, tail, answers, openings, n_tokens)]
    start = 0
    for stop, *(of_part, of_head, of_tail, of_answers, of_openings, n) in zip(stops, *columns, strict=True):
        records, opening = np.frombuffer(of_answers, ANSWER), np.array(of_openings, np.uint32)
        yield ExamplePlan(of_part, of_head, ids[start:stop], of_tail, records, opening, n)
        start = stop
