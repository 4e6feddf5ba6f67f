"""An event loop in a thread of its own, beside the build's.

Invariant: when the `with` block ends, the thread, the loop and all its tasks are gone, and the garbage collector is as
it was.
"""

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

RARE_COLLECTIONS = (50_000, 20, 50)
"""Thresholds of the garbage collector while calls are made. Requests are freed by their reference counts; looking for
cycles among them at Python's own thresholds takes a fifth of the CPU."""

T = TypeVar("T")


class Background:
    """Runs coroutines for another thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="model-writer", daemon=True)

    def __enter__(self) -> Self:
        self._collector = gc.get_threshold()
        gc.freeze()
        gc.set_threshold(*RARE_COLLECTIONS)
        self._thread.start()
        return self

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop, and wait for it."""
        return self.begin(coroutine).result()

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Have the loop call a function soon."""
        self.loop.call_soon_threadsafe(function, *arguments)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.run(_cancel_all())
        self.call(self.loop.stop)
        self._thread.join()
        self.loop.close()
        gc.set_threshold(*self._collector)
        gc.unfreeze()


async def _cancel_all() -> None:
    leftover = asyncio.all_tasks() - {asyncio.current_task()}
    for task in leftover:
        task.cancel()
    await asyncio.gather(*leftover, return_exceptions=True)
