import asyncio

import pytest

from in2_plugin.llm.coalescing import Gathering
from in2_plugin.llm.request import Answer, CallFailed, Request, Stopping

ENDLESS = 3_600.0


class Warped(asyncio.SelectorEventLoop):
    """A loop whose clock the test moves, so that no test depends on how fast the machine is."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead

    async def move(self, seconds: float) -> None:
        self.ahead += seconds
        for _ in range(5):
            await asyncio.sleep(0)


def run_warped(check) -> None:
    async def main() -> None:
        await check(asyncio.get_running_loop())

    with asyncio.Runner(loop_factory=Warped) as runner:
        runner.run(main())


def request(prompt: str) -> Request:
    return Request(prompt, "m", {}, "x")


class Runs:
    """Answers a group with its prompts in capitals; each run waits for leave if `held`."""

    def __init__(self, held: bool = False) -> None:
        self.groups: list[list[str]] = []
        self.open = self.most_open = 0
        self.leave = asyncio.Event()
        if not held:
            self.leave.set()

    async def __call__(self, requests) -> list[Answer | CallFailed]:
        self.groups.append([r.prompt for r in requests])
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await self.leave.wait()
        self.open -= 1
        return [CallFailed("no") if r.prompt == "bad" else Answer(r.prompt.upper(), "stop", 1, 1) for r in requests]


def asking(gathering: Gathering, *prompts: str) -> list[asyncio.Task[Answer]]:
    return [asyncio.create_task(gathering.answer(request(p))) for p in prompts]


async def texts(tasks) -> list[str]:
    return [answer.text for answer in await asyncio.wait_for(asyncio.gather(*tasks), 60)]


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


def test_a_full_group_goes_out_at_once():
    async def check() -> None:
        runs = Runs()
        gathering = Gathering(runs, size=3, quiet=ENDLESS)
        assert await texts(asking(gathering, *"abcdef")) == list("ABCDEF")
        assert runs.groups == [list("abc"), list("def")]
        await gathering.close()

    asyncio.run(check())


def test_a_group_that_is_not_full_goes_out_when_the_line_is_quiet():
    async def check(loop: Warped) -> None:
        runs = Runs()
        gathering = Gathering(runs, size=100, quiet=1_000)
        tasks = asking(gathering, *"abc")
        await loop.move(0)
        await loop.move(990)
        assert not runs.groups
        await loop.move(20)
        assert await texts(tasks) == list("ABC")
        tasks = asking(gathering, "d")
        await loop.move(0)
        await loop.move(1_010)
        assert await texts(tasks) == ["D"]
        assert runs.groups == [list("abc"), ["d"]]
        await gathering.close()

    run_warped(check)


def test_every_request_begins_the_quiet_time_anew():
    async def check(loop: Warped) -> None:
        runs = Runs()
        gathering = Gathering(runs, size=100, quiet=1_000)
        tasks = []
        for prompt in "abcdef":
            tasks += asking(gathering, prompt)
            await loop.move(0)
            await loop.move(700)
        assert not runs.groups
        await loop.move(400)
        assert await texts(tasks) == list("ABCDEF")
        assert runs.groups == [list("abcdef")]
        await gathering.close()

    run_warped(check)


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_runs_than_allowed(at_once):
    async def check() -> None:
        runs = Runs(held=True)
        gathering = Gathering(runs, size=2, quiet=0.001, at_once=at_once)
        tasks = asking(gathering, *"abcdefghij")
        await until(lambda: len(runs.groups) == at_once)
        await asyncio.sleep(0.05)
        assert (len(runs.groups), gathering.under_way) == (at_once, 2 * at_once)
        assert gathering.traffic() == f"{2 * at_once} under way, {10 - 2 * at_once} waiting"
        runs.leave.set()
        assert await texts(tasks) == list("ABCDEFGHIJ")
        assert (runs.most_open, gathering.under_way, gathering.traffic()) == (at_once, 0, "")
        await gathering.close()

    asyncio.run(check())


@pytest.mark.parametrize("takes", [900, 5_000])
def test_what_came_during_a_run_waits_for_what_its_answers_bring(takes):
    """The end of a run counts as movement in the line: requests that follow from its answers join those waiting."""

    async def check(loop: Warped) -> None:
        runs = Runs(held=True)
        gathering = Gathering(runs, size=3, quiet=1_000)
        first = asking(gathering, *"abc")
        second = asking(gathering, "d")
        await loop.move(0)
        await loop.move(takes)
        runs.leave.set()
        await texts(first)
        await loop.move(900)
        assert runs.groups == [list("abc")]
        second += asking(gathering, "e")
        await loop.move(0)
        await loop.move(1_100)
        assert await texts(second) == list("DE")
        assert runs.groups == [list("abc"), list("de")]
        await gathering.close()

    run_warped(check)


def test_a_failed_request_fails_alone():
    async def check() -> None:
        gathering = Gathering(Runs(), size=3, quiet=0.01)
        outcomes = await asyncio.gather(*asking(gathering, "a", "bad", "c"), return_exceptions=True)
        assert [type(o) for o in outcomes] == [Answer, CallFailed, Answer]
        await gathering.close()

    asyncio.run(check())


@pytest.mark.parametrize("ends_well", [True, False])
def test_what_is_settled_early_is_answered_while_the_run_goes_on_and_stays(ends_well):
    async def check() -> None:
        leave = asyncio.Event()
        first, second, third = requests = [request("a"), request("bad"), request("c")]

        async def run(group):
            assert group == requests
            gathering.settle(first, Answer("early", "stop", 1, 1))
            gathering.settle(second, CallFailed("early"))
            await leave.wait()
            if not ends_well:
                raise OSError("broken")
            return [Answer("late", "stop", 1, 1)] * 3

        gathering = Gathering(run, size=3, quiet=ENDLESS)
        tasks = [asyncio.create_task(gathering.answer(one)) for one in requests]
        assert await texts(tasks[:1]) == ["early"]
        with pytest.raises(CallFailed, match="early"):
            await tasks[1]
        assert (tasks[2].done(), gathering.traffic()) == (False, "1 under way")
        gathering.settle(request("c"), Answer("of another", "stop", 1, 1))
        leave.set()
        (last,) = await asyncio.gather(tasks[2], return_exceptions=True)
        assert getattr(last, "text", str(last)) == ("late" if ends_well else "broken")
        gathering.settle(third, Answer("of a run that is over", "stop", 1, 1))
        assert gathering.under_way == 0
        await gathering.close()

    asyncio.run(check())


def test_a_failed_run_fails_its_requests_and_no_others():
    async def run(requests):
        if requests[0].prompt == "a":
            raise OSError("broken")
        return await Runs()(requests)

    async def check() -> None:
        gathering = Gathering(run, size=2, quiet=0.01)
        outcomes = await asyncio.gather(*asking(gathering, *"abcd"), return_exceptions=True)
        assert [str(o) for o in outcomes[:2]] == ["broken", "broken"]
        assert [o.text for o in outcomes[2:]] == ["C", "D"]
        await gathering.close()

    asyncio.run(check())


def test_a_run_that_answers_too_few_is_an_error_and_nobody_waits_forever():
    async def run(requests):
        return []

    async def check() -> None:
        gathering = Gathering(run, size=2, quiet=0.01)
        outcomes = await asyncio.wait_for(asyncio.gather(*asking(gathering, *"ab"), return_exceptions=True), 60)
        assert [str(o) for o in outcomes] == ["0 outcomes for 2 requests"] * 2
        await gathering.close()

    asyncio.run(check())


def test_stopping_turns_the_line_away_and_waits_for_what_is_under_way():
    async def check() -> None:
        runs = Runs(held=True)
        gathering = Gathering(runs, size=2, quiet=ENDLESS)
        tasks = asking(gathering, *"abc")
        await until(lambda: runs.groups)
        gathering.stop()
        with pytest.raises(Stopping):
            await tasks[2]
        with pytest.raises(Stopping):
            await gathering.answer(request("later"))
        runs.leave.set()
        assert await texts(tasks[:2]) == ["A", "B"]
        gathering.resume()
        assert await texts(asking(gathering, *"de")) == ["D", "E"]
        await gathering.close()

    asyncio.run(check())


def test_who_gave_up_is_not_asked_for():
    async def check() -> None:
        runs = Runs()
        gathering = Gathering(runs, size=3, quiet=ENDLESS)
        hasty, patient = asking(gathering, "a", "b")
        await asyncio.sleep(0)
        hasty.cancel()
        await asyncio.sleep(0)
        late = asking(gathering, "c")
        assert await texts([patient, *late]) == ["B", "C"]
        assert runs.groups == [["b", "c"]]
        await gathering.close()

    asyncio.run(check())


def test_closing_gives_up_what_is_under_way():
    async def check() -> None:
        gathering = Gathering(Runs(held=True), size=2, quiet=0.001)
        tasks = asking(gathering, *"abc")
        await until(lambda: gathering.under_way)
        await gathering.close()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        assert [type(o) for o in outcomes] == [Stopping] * 3

    asyncio.run(check())


def test_closing_before_a_run_took_its_first_step_leaves_nobody_waiting():
    async def check() -> None:
        async def never(requests):
            raise AssertionError("was begun")

        gathering = Gathering(never, size=2, quiet=60)
        asked = [asyncio.create_task(gathering.answer(request(i))) for i in range(2)]
        await asyncio.sleep(0)  # both are in the line, their run is made and not begun
        assert gathering.under_way == 2
        await gathering.close()
        for outcome in await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5):
            assert isinstance(outcome, Stopping)
        assert gathering.under_way == 0

    asyncio.run(check())
