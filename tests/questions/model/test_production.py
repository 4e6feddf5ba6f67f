import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.errors import EndpointError, SpendingStopped
from in2_plugin.llm.request import RunStopped
from in2_plugin.questions import Kind, Passage
from in2_plugin.questions.model.production import MOST_UNPAID, WINDOW, Production


def passages(n: int):
    return (Passage(Kind.FINE_GRAINED, i, (i,), (str(i),), 0) for i in range(n))


class Run:
    """A production whose results are taken at once, and what was seen of it."""

    def __init__(self, work, n: int, wanted: int = 10**9, open_at_once: int = 8, take: bool = True) -> None:
        self.delivered: list = []
        self.begun: list[int] = []
        self.open = self.most_open = 0
        self._work, self._n, self._take = work, n, take
        self.production = Production(self._counted, open_at_once, 1, lambda: wanted - len(self.delivered))

    async def _counted(self, passage):
        self.begun.append(passage.document)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            return await self._work(passage)
        finally:
            self.open -= 1

    def _deliver(self, results) -> None:
        self.delivered += results
        if self._take:
            self.production.take()

    async def go(self) -> "Run":
        await self.production.run(passages(self._n), self._deliver)
        return self


@given(st.integers(0, 60), st.integers(1, 12), st.integers(0, 2**32))
def test_results_come_in_order_whatever_takes_how_long(n, open_at_once, seed):
    rng = random.Random(seed)

    async def work(passage):
        for _ in range(rng.randrange(6)):
            await asyncio.sleep(0)
        return (passage.document,)

    run = asyncio.run(Run(work, n, open_at_once=open_at_once).go())
    assert run.delivered == list(range(n))
    assert run.most_open <= open_at_once


def test_one_that_takes_long_holds_nothing_up_but_delivery():
    async def check() -> None:
        release = asyncio.Event()

        async def work(passage):
            if passage.document == 0:
                await release.wait()
            return (passage.document,)

        run = Run(work, 100, open_at_once=4)
        task = asyncio.create_task(run.go())
        while len(run.begun) < 100:
            await asyncio.sleep(0)
        assert run.delivered == []
        release.set()
        await task
        assert run.delivered == list(range(100))

    asyncio.run(check())


def test_finished_results_that_nobody_takes_are_bounded():
    async def check() -> int:
        async def work(passage):
            return (passage.document,)

        run = Run(work, 2 * WINDOW, take=False, open_at_once=64)
        task = asyncio.create_task(run.go())
        for _ in range(WINDOW):
            await asyncio.sleep(0)
        assert not task.done()
        run.production.stop()
        await task
        return len(run.begun)

    assert asyncio.run(check()) == WINDOW


def test_no_more_are_begun_than_are_wanted():
    async def work(passage):
        await asyncio.sleep(0)
        return (passage.document,)

    async def check() -> Run:
        run = Run(work, 1_000, wanted=50, open_at_once=16)
        task = asyncio.create_task(run.go())
        while len(run.delivered) < 50:
            await asyncio.sleep(0)
        run.production.stop()
        await task
        return run

    assert len(asyncio.run(check()).begun) == 50


def test_when_many_are_turned_down_more_are_begun():
    """One in five is of use: the line grows to what that yield asks for, and the number wanted is reached."""
    used = []

    async def work(passage):
        await asyncio.sleep(0)
        return (passage.document,)

    async def check() -> int:
        begun = []
        production = Production(lambda p: begun.append(p) or work(p), 16, 1, lambda: 40 - len(used))

        def deliver(results) -> None:
            used.extend(i for i in results if i % 5 == 0)
            production.take()

        task = asyncio.create_task(production.run(passages(10_000), deliver))
        while len(used) < 40:
            await asyncio.sleep(0)
        production.stop()
        await task
        return len(begun)

    assert 196 <= asyncio.run(check()) <= 196 + 2 * 16


def test_a_failure_that_ends_all_ends_it_at_once_and_lets_the_others_finish():
    finished = []

    async def check() -> None:
        release = asyncio.Event()

        async def work(passage):
            if passage.document == 0:
                await release.wait()
            if passage.document == 3:
                asyncio.get_running_loop().call_later(0.05, release.set)
                raise EndpointError("the key is wrong")
            finished.append(passage.document)
            return (passage.document,)

        run = Run(work, 1_000, open_at_once=4)
        with pytest.raises(EndpointError, match="the key is wrong"):
            await run.go()
        assert len(run.begun) < 10

    asyncio.run(check())
    assert 0 in finished


def test_stopping_is_no_failure():
    async def check() -> Run:
        stopped = asyncio.Event()

        async def work(passage):
            if passage.document < 5:
                return (passage.document,)
            await stopped.wait()
            raise RunStopped("stopping")

        run = Run(work, 100)
        task = asyncio.create_task(run.go())
        while len(run.delivered) < 5:
            await asyncio.sleep(0)
        run.production.stop()
        stopped.set()
        await task
        return run

    assert asyncio.run(check()).delivered == [0, 1, 2, 3, 4]


def test_it_says_when_few_missing_questions_limit_the_passages_in_progress():
    async def check() -> tuple[str, str]:
        release = asyncio.Event()

        async def work(passage):
            await release.wait()
            return (passage.document,)

        def bound(wanted: int) -> Run:
            return Run(work, 1_000, wanted=wanted, open_at_once=8)

        runs = [bound(2), bound(100)]
        tasks = [asyncio.create_task(run.go()) for run in runs]
        await asyncio.sleep(0.01)
        said = tuple(run.production.bound() for run in runs)
        for run in runs:
            run.production.stop()
        release.set()
        await asyncio.gather(*tasks)
        return said

    assert asyncio.run(check()) == ("2 passages in progress are enough for the 2 missing questions", "")


def test_what_is_done_before_a_failure_is_delivered():
    async def check() -> Run:
        async def work(passage):
            if passage.document == 6:
                raise EndpointError("the key is wrong")
            await asyncio.sleep(0.001 * (10 - passage.document))
            return (passage.document,)

        run = Run(work, 1_000, open_at_once=8)
        with pytest.raises(EndpointError):
            await run.go()
        return run

    assert asyncio.run(check()).delivered == list(range(6))


@pytest.mark.parametrize("every", [1, 2, 64])
def test_a_limit_hides_no_stored_answer_and_the_search_for_them_ends(every):
    """One passage in `every` is stored, up to number 640, as after the jobs of an array."""

    async def check() -> Run:
        async def work(passage):
            await asyncio.sleep(0)
            if passage.document % every or passage.document >= 640:
                raise SpendingStopped("the limit is reached")
            return (passage.document,)

        run = Run(work, 10**9, open_at_once=8)
        with pytest.raises(SpendingStopped, match="the limit is reached"):
            await run.go()
        return run

    run = asyncio.run(check())
    assert run.delivered == list(range(0, 640, every))
    assert len(run.begun) <= 640 + MOST_UNPAID + 8
