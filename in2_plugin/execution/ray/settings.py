"""How Ray Data is asked to work for us: in order, quietly, and past lost workers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from in2_plugin.errors import WorkerDied, one_line

STARTS = 5
"""Workers in a row that may be lost while they start."""


@contextmanager
def quiet_and_ordered() -> Iterator[None]:
    """Ray Data with results in the order of its rows, and without bars of its own: the build has one. A worker that is
    lost while it starts is replaced; else Ray would end the stage."""
    from ray.data import DataContext

    context = DataContext.get_current()
    options = context.execution_options
    before = options.preserve_order, context.enable_progress_bars, context.max_consecutive_actor_init_deaths
    options.preserve_order = True
    context.enable_progress_bars = False
    context.max_consecutive_actor_init_deaths = STARTS
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what goes wrong is said by us
    try:
        yield
    finally:
        options.preserve_order, context.enable_progress_bars, context.max_consecutive_actor_init_deaths = before
        logger.setLevel(level)


def on_this_node() -> Any:
    """The scheduling strategy of what lives where the driver does, so that the loss of another node never ends it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


@contextmanager
def explained() -> Iterator[None]:
    """What Ray raises when it has given up, as one sentence.

    Raises:
        WorkerDied: workers or nodes were lost in a way that Ray does not make good.
    """
    from ray.exceptions import RayError, RayTaskError

    try:
        yield
    except RayTaskError:
        raise  # a mistake in the function, with its traceback
    except RayError as failure:
        reason = one_line(failure)
        raise WorkerDied(
            f"Ray could not go on ({reason}); see to the nodes, most often to their memory, and run again (what was "
            "finished is kept)"
        ) from None
