"""Settings of Ray Data for our stages, and its errors as ours."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from in2_plugin.errors import WorkerDied, one_line

MAX_INIT_FAILURES = 5
"""Consecutive workers that may die while they start."""


@contextmanager
def data_context() -> Iterator[None]:
    """Keep the results in order, hide Ray's progress bars, and replace workers that die while they start."""
    from ray.data import DataContext

    context = DataContext.get_current()
    options = context.execution_options
    before = options.preserve_order, context.enable_progress_bars, context.max_consecutive_actor_init_deaths
    options.preserve_order = True
    context.enable_progress_bars = False
    context.max_consecutive_actor_init_deaths = MAX_INIT_FAILURES
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # we report errors ourselves
    try:
        yield
    finally:
        options.preserve_order, context.enable_progress_bars, context.max_consecutive_actor_init_deaths = before
        logger.setLevel(level)


def driver_affinity() -> Any:
    """Return the scheduling strategy for actors on the driver's node, which the loss of another node never ends."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


@contextmanager
def as_worker_died() -> Iterator[None]:
    """Turn the errors that Ray cannot recover from into one sentence.

    Raises:
        WorkerDied: Ray lost workers or nodes and gave up.
    """
    from ray.exceptions import RayError, RayTaskError

    try:
        yield
    except RayTaskError:
        raise  # a bug in the function, with its traceback
    except RayError as failure:
        raise WorkerDied(
            f"Ray could not continue ({one_line(failure)}); check the nodes, usually their memory, and run again "
            "(finished shards are kept)"
        ) from None
