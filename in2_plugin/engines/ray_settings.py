"""How Ray Data is asked to work for us: in order, quietly, and not for ever."""

import inspect
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from in2_plugin.errors import WorkerDied

TRIES = 5
"""Times that a shard is given to another worker when its worker was killed; one that kills them all must end."""


@contextmanager
def quiet_and_ordered() -> Iterator[None]:
    """Ray Data with results in the order of its rows, and without bars of its own: the build has one."""
    from ray.data import DataContext

    context = DataContext.get_current()
    before = context.execution_options.preserve_order, context.enable_progress_bars
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what goes wrong is said by us
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*ray_remote_args_fn.*")
            yield
    finally:
        context.execution_options.preserve_order, context.enable_progress_bars = before
        logger.setLevel(level)


@contextmanager
def explained() -> Iterator[None]:
    """What Ray raises when it has given up, as one sentence.

    Raises:
        WorkerDied: workers were killed again and again.
    """
    from ray.exceptions import RayError, RayTaskError

    try:
        yield
    except RayTaskError:
        raise  # a mistake in the function, with its traceback
    except RayError as failure:
        reason = " ".join(str(failure).split())[:300]
        raise WorkerDied(
            f"Ray gave up a shard after {TRIES} workers ({reason}); see to the nodes, most often to their memory, and "
            "run again (what was finished is kept)"
        ) from None


def retries() -> dict[str, Any]:
    """What ends a shard that kills its workers: Ray Data itself tries for ever. Ray 2.64 will not have this option."""
    from ray.data import Dataset

    if "ray_remote_args_fn" not in inspect.signature(Dataset.flat_map).parameters:
        return {}
    return {"ray_remote_args_fn": lambda: {"max_task_retries": TRIES}}
