"""What trainers read, held against the examples: every plan against its row, a sample token by token."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from in2_plugin import layout
from in2_plugin.config import PARTS
from in2_plugin.corpus.splicing import Joining
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.plans import AGAIN, Plans, digest_of
from in2_plugin.dataset.reader import turns_of
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import DatasetError
from in2_plugin.examples.rendering import Renderer
from in2_plugin.inspection.figures import Faults, Figure
from in2_plugin.inspection.report import LeftOut, Report

Row = Mapping[str, Any]
TRAINERS = "sampled examples that trainers get otherwise"


def plans(folder: Path, report: Report) -> str:
    """Every example has a plan with its length, segments and answers."""
    store = SegmentStore(folder / layout.SEGMENTS)
    if store.facts.joining is Joining.RETOKENIZE:
        raise LeftOut("its examples are tokenised as a whole; the check of the rendering looks at a sample")
    found = Plans(folder / layout.PLANS, store)
    if found.made_of != digest_of(folder / layout.EXAMPLES):
        report.wrong("plans", "are of other examples than examples.parquet", AGAIN)
        return "the digest"
    count = 0
    for row in read_rows(folder / layout.EXAMPLES):
        if count < len(found):
            report.wrong_at(f"plans, example {count}", _faults_of_plan(found, count, row), AGAIN)
        count += 1
    if count != len(found):
        report.wrong("plans", f"hold {len(found):,} examples of {count:,}", AGAIN)
    return f"{count:,} plans"


def _faults_of_plan(found: Plans, number: int, row: Row) -> Iterator[str]:
    plan = found.plan(number)
    if (plan.n_tokens, plan.part) != (row["n_tokens"], row["part"]):
        yield "is of another length or part than its example"
    if plan.segment_ids.tolist() != row["segment_ids"]:
        yield "names other segments than its example"
    lengths = [int(stop) - int(start) for start, stop, _ in plan.answers.tolist()]
    if lengths != [turn["n_answer_tokens"] for turn in row["turns"]]:
        yield "has other answers than its example"


def plan_figures(sample: Sequence[tuple[int, Row]], renderer: Renderer, plans: Plans) -> Iterator[Figure]:
    """Put sampled examples together as a trainer does, and as the renderer does."""
    faults = Faults()
    for number, row in sample:
        if not same_for_trainers(number, row, renderer, plans):
            faults.add(number, row["part"])
    yield faults.figure(TRAINERS, f"{len(sample):,} examples", AGAIN)


def same_for_trainers(number: int, row: Row, renderer: Renderer, plans: Plans) -> bool:
    """Whether a plan gives the ids and labels of its rendered row."""
    if number >= len(plans) or PARTS[plans.part[number]] != row["part"]:
        return False
    rendered = renderer.render(row["segment_ids"], turns_of(row))
    try:
        ids, labels = plans.assemble(number)
    except DatasetError:
        return False
    return np.array_equal(ids, rendered.input_ids) and np.array_equal(labels, rendered.labels)
