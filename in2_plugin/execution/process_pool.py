"""A pure function over many items, in worker processes, with the results in the order of the items.

Invariant: the results are those of `map`, whatever the number of workers. At most two items a worker are under way,
so that memory is bounded by the items and not by their number. Cost: starting the workers takes about a second, so
the first item is done here, and a single one needs no workers at all.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import Any, TypeVar

from in2_plugin.errors import WorkerDied

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 2
"""Items a worker that are handed out before their turn."""
_function: Callable[[Any], Any]
"""What this process does, when it is a worker."""


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """`map(function, items)` over `workers` processes. `function` is pickled once for each of them.

    Raises:
        WorkerDied: a worker process was killed, mostly for want of memory.
    """
    waiting = iter(items)
    first = list(islice(waiting, 1))
    yield from map(function, first)
    second = list(islice(waiting, 1))
    if workers == 1 or not second:
        yield from map(function, chain(second, waiting))
        return
    yield from _in_processes(function, chain(second, waiting), workers)


def in_chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`; the last may be shorter."""
    waiting = iter(items)
    while chunk := list(islice(waiting, size)):
        yield chunk


def _in_processes(function: Callable[[Item], Result], items: Iterator[Item], workers: int) -> Iterator[Result]:
    # spawned and not forked: the parent has threads (tokenizers, Arrow, an event loop), which do not survive a fork
    context = multiprocessing.get_context("spawn")
    line: deque[Future[Result]] = deque()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker, initargs=(function,))
    try:
        for item in items:
            line.append(pool.submit(_work_on, item))
            if len(line) >= AHEAD * workers:
                yield line.popleft().result()
        while line:
            yield line.popleft().result()
    except BrokenProcessPool:
        raise WorkerDied(
            f"one of {workers} worker processes was killed, mostly for want of memory; set `workers` to a smaller "
            "number in the build file and run again (what was finished is kept)"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare_worker(function: Callable[[Any], Any]) -> None:
    global _function  # noqa: PLW0603 - a worker process has one, for its whole life
    _function = function
    # Ctrl-C goes to the whole group of processes; the parent decides what it means
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # one thread a worker, before `tokenizers` starts its own
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"


def _end_with_parent() -> None:
    """End this process when its parent was killed: a worker holds both ends of the queue it waits on."""
    parent = multiprocessing.parent_process()
    assert parent, "a worker has one"
    parent.join()
    os._exit(1)


def _work_on(item: Any) -> Any:
    return _function(item)
