"""Compare what trainers read from `plans/` with the renderer's output, token by token."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from in2_plugin.config import PARTS
from in2_plugin.dataset.plans import REBUILD_PLANS, Plans
from in2_plugin.dataset.reader import turns_of
from in2_plugin.errors import DatasetError
from in2_plugin.examples.rendering import Renderer
from in2_plugin.inspection.figures import Faults, Figure

Row = Mapping[str, Any]
TRAINERS = "sampled examples that trainers read differently"


def plan_figures(sample: Sequence[tuple[int, Row]], renderer: Renderer, plans: Plans) -> Iterator[Figure]:
    """Yield the figure that counts sampled rows, given with their numbers, whose plan differs from their rendering."""
    faults = Faults()
    for number, row in sample:
        if not plan_equals_rendering(number, row, renderer, plans):
            faults.add(number, row["part"])
    yield faults.figure(TRAINERS, f"{len(sample):,} examples", REBUILD_PLANS)


def plan_equals_rendering(number: int, row: Row, renderer: Renderer, plans: Plans) -> bool:
    """Return True if the plan of an example assembles to the ids and labels of its rendered row."""
    if number >= len(plans) or PARTS[plans.part[number]] != row["part"]:
        return False
    rendered = renderer.render(row["segment_ids"], turns_of(row))
    try:
        ids, labels = plans.assemble(number)
    except DatasetError:
        return False
    return np.array_equal(ids, rendered.input_ids) and np.array_equal(labels, rendered.labels)
