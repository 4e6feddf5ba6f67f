"""An ordered `map` over worker processes.

Invariant: the results are those of `map`, whatever the number of workers. At most two items per worker are in flight,
so that memory does not grow with the number of items. Cost: about a second to start the workers, so the first item
runs in this process, and a single item needs no workers at all.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, TypeVar

from in2_plugin.errors import WorkerDied

Item = TypeVar("Item")
Result = TypeVar("Result")
PREFETCH = 2
"""Items per worker that are submitted ahead of their results."""
_function: Callable[[Any], Any]
"""The function of this process, if it is a worker."""


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Yield `function(item)` per item, in order, from `workers` processes. `function` is pickled once per worker.

    Raises:
        WorkerDied: a worker process was killed, usually out of memory.
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
    """Yield the items in lists of `size`; the last may be shorter."""
    waiting = iter(items)
    while chunk := list(islice(waiting, size)):
        yield chunk


def _in_processes(function: Callable[[Item], Result], items: Iterator[Item], workers: int) -> Iterator[Result]:
    # spawn, not fork: the parent's threads (tokenizers, Arrow, an event loop) do not survive a fork
    context = multiprocessing.get_context("spawn")
    pending: deque[Future[Result]] = deque()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker, initargs=(function,))
    try:
        for item in items:
            with _interrupts_blocked():  # `submit` starts workers
                pending.append(pool.submit(_run_item, item))
            if len(pending) >= PREFETCH * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool:
        raise WorkerDied(
            f"one of {workers} worker processes was killed, usually out of memory; set `workers` to a smaller "
            "number in the build file and run again (finished shards are kept)"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start processes in which Ctrl-C is blocked from the first instruction; here it is delivered afterwards.

    Ctrl-C reaches the whole process group, and a worker imports for a second before it can ignore it.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker(function: Callable[[Any], Any]) -> None:
    global _function  # noqa: PLW0603 - one per worker process
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    # one thread per worker, before `tokenizers` starts its own
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"


def _exit_with_parent() -> None:
    """Exit when the parent was killed: a worker holds both ends of its queue and would wait forever."""
    parent = multiprocessing.parent_process()
    assert parent, "a worker has a parent process"
    parent.join()
    os._exit(1)


def _run_item(item: Any) -> Any:
    return _function(item)
