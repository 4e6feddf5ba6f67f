import asyncio

import pytest

from in2_plugin.llm.coalescing import RequestCoalescer
from in2_plugin.llm.request import Completion, Request, RequestFailed, RunStopped

ENDLESS = 3_600.0


class ManualClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock the test advances, so that no test depends on the speed of the machine."""

    offset = 0.0

    def time(self) -> float:
        return super().time() + self.offset

    async def advance(self, seconds: float) -> None:
        self.offset += seconds
        for _ in range(5):
            await asyncio.sleep(0)


def run_with_manual_clock(check) -> None:
    async def main() -> None:
        await check(asyncio.get_running_loop())

    with asyncio.Runner(loop_factory=ManualClockLoop) as runner:
        runner.run(main())


def request(prompt: str) -> Request:
    return Request(prompt, "m", {}, "x")


class Groups:
    """Answers groups with their prompts in capitals; `held` groups wait until `release` is set."""

    def __init__(self, held: bool = False) -> None:
        self.started: list[list[str]] = []
        self.open = self.most_open = 0
        self.release = asyncio.Event()
        if not held:
            self.release.set()

    async def __call__(self, requests) -> list[Completion | RequestFailed]:
        self.started.append([r.prompt for r in requests])
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await self.release.wait()
        self.open -= 1
        return [
            RequestFailed("no") if r.prompt == "bad" else Completion(r.prompt.upper(), "stop", 1, 1) for r in requests
        ]


def send(coalescer: RequestCoalescer, *prompts: str) -> list[asyncio.Task[Completion]]:
    return [asyncio.create_task(coalescer.answer(request(p))) for p in prompts]


async def texts(tasks) -> list[str]:
    return [answer.text for answer in await asyncio.wait_for(asyncio.gather(*tasks), 60)]


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


def test_a_full_group_is_dispatched_at_once():
    async def check() -> None:
        groups = Groups()
        coalescer = RequestCoalescer(groups, size=3, idle_seconds=ENDLESS)
        assert await texts(send(coalescer, *"abcdef")) == list("ABCDEF")
        assert groups.started == [list("abc"), list("def")]
        await coalescer.close()

    asyncio.run(check())


def test_a_partial_group_is_dispatched_when_idle():
    async def check(loop: ManualClockLoop) -> None:
        groups = Groups()
        coalescer = RequestCoalescer(groups, size=100, idle_seconds=1_000)
        tasks = send(coalescer, *"abc")
        await loop.advance(0)
        await loop.advance(990)
        assert not groups.started
        await loop.advance(20)
        assert await texts(tasks) == list("ABC")
        tasks = send(coalescer, "d")
        await loop.advance(0)
        await loop.advance(1_010)
        assert await texts(tasks) == ["D"]
        assert groups.started == [list("abc"), ["d"]]
        await coalescer.close()

    run_with_manual_clock(check)


def test_every_request_restarts_the_idle_time():
    async def check(loop: ManualClockLoop) -> None:
        groups = Groups()
        coalescer = RequestCoalescer(groups, size=100, idle_seconds=1_000)
        tasks = []
        for prompt in "abcdef":
            tasks += send(coalescer, prompt)
            await loop.advance(0)
            await loop.advance(700)
        assert not groups.started
        await loop.advance(400)
        assert await texts(tasks) == list("ABCDEF")
        assert groups.started == [list("abcdef")]
        await coalescer.close()

    run_with_manual_clock(check)


@pytest.mark.parametrize("max_concurrent", [1, 3])
def test_open_groups_are_limited(max_concurrent):
    async def check() -> None:
        groups = Groups(held=True)
        coalescer = RequestCoalescer(groups, size=2, idle_seconds=0.001, max_concurrent=max_concurrent)
        tasks = send(coalescer, *"abcdefghij")
        await until(lambda: len(groups.started) == max_concurrent)
        await asyncio.sleep(0.05)
        assert (len(groups.started), coalescer.in_flight) == (max_concurrent, 2 * max_concurrent)
        assert coalescer.traffic() == f"{2 * max_concurrent} in flight, {10 - 2 * max_concurrent} waiting"
        groups.release.set()
        assert await texts(tasks) == list("ABCDEFGHIJ")
        assert (groups.most_open, coalescer.in_flight, coalescer.traffic()) == (max_concurrent, 0, "")
        await coalescer.close()

    asyncio.run(check())


@pytest.mark.parametrize("takes", [900, 5_000])
def test_the_end_of_a_group_restarts_the_idle_time(takes):
    """Requests that follow from its answers join those that wait."""

    async def check(loop: ManualClockLoop) -> None:
        groups = Groups(held=True)
        coalescer = RequestCoalescer(groups, size=3, idle_seconds=1_000)
        first = send(coalescer, *"abc")
        second = send(coalescer, "d")
        await loop.advance(0)
        await loop.advance(takes)
        groups.release.set()
        await texts(first)
        await loop.advance(900)
        assert groups.started == [list("abc")]
        second += send(coalescer, "e")
        await loop.advance(0)
        await loop.advance(1_100)
        assert await texts(second) == list("DE")
        assert groups.started == [list("abc"), list("de")]
        await coalescer.close()

    run_with_manual_clock(check)


def test_a_failed_request_fails_alone():
    async def check() -> None:
        coalescer = RequestCoalescer(Groups(), size=3, idle_seconds=0.01)
        outcomes = await asyncio.gather(*send(coalescer, "a", "bad", "c"), return_exceptions=True)
        assert [type(o) for o in outcomes] == [Completion, RequestFailed, Completion]
        await coalescer.close()

    asyncio.run(check())


@pytest.mark.parametrize("ends_well", [True, False])
def test_an_early_outcome_is_final(ends_well):
    async def check() -> None:
        release = asyncio.Event()
        first, second, third = requests = [request("a"), request("bad"), request("c")]

        async def answer_group(group):
            assert group == requests
            coalescer.settle(first, Completion("early", "stop", 1, 1))
            coalescer.settle(second, RequestFailed("early"))
            await release.wait()
            if not ends_well:
                raise OSError("broken")
            return [Completion("late", "stop", 1, 1)] * 3

        coalescer = RequestCoalescer(answer_group, size=3, idle_seconds=ENDLESS)
        tasks = [asyncio.create_task(coalescer.answer(one)) for one in requests]
        assert await texts(tasks[:1]) == ["early"]
        with pytest.raises(RequestFailed, match="early"):
            await tasks[1]
        assert (tasks[2].done(), coalescer.traffic()) == (False, "1 in flight")
        coalescer.settle(request("c"), Completion("of another", "stop", 1, 1))
        release.set()
        (last,) = await asyncio.gather(tasks[2], return_exceptions=True)
        assert getattr(last, "text", str(last)) == ("late" if ends_well else "broken")
        coalescer.settle(third, Completion("too late", "stop", 1, 1))
        assert coalescer.in_flight == 0
        await coalescer.close()

    asyncio.run(check())


def test_a_failed_group_fails_only_its_requests():
    async def answer_group(requests):
        if requests[0].prompt == "a":
            raise OSError("broken")
        return await Groups()(requests)

    async def check() -> None:
        coalescer = RequestCoalescer(answer_group, size=2, idle_seconds=0.01)
        outcomes = await asyncio.gather(*send(coalescer, *"abcd"), return_exceptions=True)
        assert [str(o) for o in outcomes[:2]] == ["broken", "broken"]
        assert [o.text for o in outcomes[2:]] == ["C", "D"]
        await coalescer.close()

    asyncio.run(check())


def test_too_few_outcomes_are_an_error():
    async def answer_group(requests):
        return []

    async def check() -> None:
        coalescer = RequestCoalescer(answer_group, size=2, idle_seconds=0.01)
        outcomes = await asyncio.wait_for(asyncio.gather(*send(coalescer, *"ab"), return_exceptions=True), 60)
        assert [str(o) for o in outcomes] == ["0 outcomes for 2 requests"] * 2
        await coalescer.close()

    asyncio.run(check())


def test_stop_rejects_the_queue_and_waits_for_open_groups():
    async def check() -> None:
        groups = Groups(held=True)
        coalescer = RequestCoalescer(groups, size=2, idle_seconds=ENDLESS)
        tasks = send(coalescer, *"abc")
        await until(lambda: groups.started)
        coalescer.stop()
        with pytest.raises(RunStopped):
            await tasks[2]
        with pytest.raises(RunStopped):
            await coalescer.answer(request("later"))
        groups.release.set()
        assert await texts(tasks[:2]) == ["A", "B"]
        coalescer.resume()
        assert await texts(send(coalescer, *"de")) == ["D", "E"]
        await coalescer.close()

    asyncio.run(check())


def test_a_cancelled_request_is_not_dispatched():
    async def check() -> None:
        groups = Groups()
        coalescer = RequestCoalescer(groups, size=3, idle_seconds=ENDLESS)
        cancelled, kept = send(coalescer, "a", "b")
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.sleep(0)
        late = send(coalescer, "c")
        assert await texts([kept, *late]) == ["B", "C"]
        assert groups.started == [["b", "c"]]
        await coalescer.close()

    asyncio.run(check())


def test_close_cancels_open_groups():
    async def check() -> None:
        coalescer = RequestCoalescer(Groups(held=True), size=2, idle_seconds=0.001)
        tasks = send(coalescer, *"abc")
        await until(lambda: coalescer.in_flight)
        await coalescer.close()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        assert [type(o) for o in outcomes] == [RunStopped] * 3

    asyncio.run(check())


def test_close_before_the_first_step_of_a_group_leaves_no_waiter():
    async def check() -> None:
        async def never(requests):
            raise AssertionError("started")

        coalescer = RequestCoalescer(never, size=2, idle_seconds=60)
        asked = [asyncio.create_task(coalescer.answer(request(i))) for i in range(2)]
        await asyncio.sleep(0)  # the task of their group exists and has not started
        assert coalescer.in_flight == 2
        await coalescer.close()
        for outcome in await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5):
            assert isinstance(outcome, RunStopped)
        assert coalescer.in_flight == 0

    asyncio.run(check())
