"""Check `plans/`: every example has a plan with its length, segments and answers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from in2_plugin import layout
from in2_plugin.corpus.splicing import Joining
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.plans import REBUILD_PLANS, Plans, digest_of
from in2_plugin.dataset.tables import read_rows
from in2_plugin.inspection.report import CheckReport, CheckSkipped


def check_plans(folder: Path, report: CheckReport) -> str:
    """Check every plan against its row of examples.parquet."""
    store = SegmentStore(folder / layout.SEGMENTS)
    if store.facts.joining is Joining.RETOKENIZE:
        raise CheckSkipped("examples of this dataset are tokenized as a whole; the rendering check covers a sample")
    plans = Plans(folder / layout.PLANS, store)
    if plans.made_of != digest_of(folder / layout.EXAMPLES):
        report.error(layout.PLANS, "do not belong to this examples.parquet", REBUILD_PLANS)
        return "digest only"
    count = 0
    for row in read_rows(folder / layout.EXAMPLES):
        if count < len(plans):
            report.errors(f"plans, example {count}", _faults(plans, count, row), REBUILD_PLANS)
        count += 1
    if count != len(plans):
        report.error(layout.PLANS, f"contain {len(plans):,} examples instead of {count:,}", REBUILD_PLANS)
    return f"{count:,} plans"


def _faults(plans: Plans, number: int, row: Mapping[str, Any]) -> Iterator[str]:
    plan = plans.plan(number)
    if (plan.n_tokens, plan.part) != (row["n_tokens"], row["part"]):
        yield "length or part differs from the example"
    if plan.segment_ids.tolist() != row["segment_ids"]:
        yield "segments differ from the example"
    lengths = [int(stop) - int(start) for start, stop, _ in plan.answers.tolist()]
    if lengths != [turn["n_answer_tokens"] for turn in row["turns"]]:
        yield "answers differ from the example"
    elif (plan.openings > lengths).any():
        yield "an opening is longer than its answer"
