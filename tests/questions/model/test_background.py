"""A background event loop ends with its block and changes nothing else in the process."""

import asyncio
import gc
import threading
import weakref

import pytest

from in2_plugin.questions.model.background import BackgroundLoop


class Payload:
    """An object that a weak reference can watch."""


async def use(payload: Payload) -> None:
    await asyncio.sleep(0)


def test_a_coroutine_returns_its_result_and_raises_its_error():
    async def fail() -> None:
        raise ValueError("broken")

    with BackgroundLoop() as background:
        assert background.run(asyncio.sleep(0, "done")) == "done"
        with pytest.raises(ValueError, match="broken"):
            background.run(fail())


def test_the_end_of_the_block_cancels_tasks_and_ends_thread_and_loop():
    threads = threading.active_count()
    with BackgroundLoop() as background:
        endless = background.begin(asyncio.sleep(3600))
    assert endless.cancelled()
    assert background.loop.is_closed()
    assert threading.active_count() == threads


def test_the_garbage_collector_of_the_process_is_untouched():
    before = gc.get_threshold(), gc.get_freeze_count()
    with BackgroundLoop():
        assert (gc.get_threshold(), gc.get_freeze_count()) == before
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_finished_work_is_freed():
    payload = Payload()
    watched = weakref.ref(payload)
    with BackgroundLoop() as background:
        background.run(use(payload))
        del payload
        background.run(asyncio.sleep(0))
        gc.collect()
        assert watched() is None
