import asyncio

import pytest

from in2_plugin.config import Prices
from in2_plugin.errors import SpendingStopped
from in2_plugin.llm.budget import Budget, Spending, most_cost
from in2_plugin.llm.caller import Caller
from in2_plugin.llm.request import Completion, Request, RequestFailed
from in2_plugin.llm.work_log import WorkLog

PRICES = Prices(input=1_000_000, output=1_000_000, currency="EUR")


class Slow:
    """A transport whose answers overlap; one input and one output token each."""

    def __init__(self, fails: int = 0) -> None:
        self.sent = self.in_flight = self.most_at_once = 0
        self._fails = fails

    async def answer(self, request: Request) -> Completion:
        self.sent += 1
        self.in_flight += 1
        self.most_at_once = max(self.most_at_once, self.in_flight)
        number = self.sent
        await asyncio.sleep(0.001)
        self.in_flight -= 1
        if number <= self._fails:
            raise RequestFailed("no")
        return Completion("text", "stop", 1, 1)

    def stop(self) -> None: ...
    def resume(self) -> None: ...
    def traffic(self) -> str: ...
    async def close(self) -> None: ...


@pytest.fixture
def log(tmp_path):
    log = WorkLog(tmp_path / "work.sqlite")
    yield log
    log.close()


def ask(log: WorkLog, transport: Slow, n: int, budget: Budget, prices: Prices | None = None, **parameters) -> list:
    """Ask n different requests at once; a failed one gives its exception."""

    async def together() -> list:
        caller = Caller(log, transport, budget, prices)
        requests = (Request(f"{i}", "m", parameters, "x") for i in range(n))
        return await asyncio.gather(*map(caller.ask, requests), return_exceptions=True)

    return asyncio.run(together())


def counts(outcomes: list) -> tuple[int, int]:
    return sum(isinstance(o, Completion) for o in outcomes), sum(isinstance(o, SpendingStopped) for o in outcomes)


def test_calls_at_once_do_not_overshoot_the_limit(log):
    transport = Slow()
    outcomes = ask(log, transport, 50, Budget(20, None, Spending()))
    assert counts(outcomes) == (20, 30)
    assert transport.sent == 20
    assert str(outcomes[-1]) == (
        "`questions.max_calls: 20` is reached (20 calls paid); everything is kept. Set a higher limit and run again to "
        "go on"
    )


def test_earlier_runs_count_and_stored_answers_are_free(log):
    transport = Slow()
    assert counts(ask(log, transport, 20, Budget(20, None, Spending()))) == (20, 0)
    assert counts(ask(log, transport, 25, Budget(20, None, Spending(calls=20)))) == (20, 5)
    assert transport.sent == 20


def test_failed_calls_make_room_for_others(log):
    transport = Slow(fails=10)
    assert counts(ask(log, transport, 50, Budget(20, None, Spending()))) == (20, 20)
    assert transport.sent == 30


def test_the_cost_stays_below_its_limit_although_most_of_it_is_spent(log):
    """Each call may cost 11 EUR and costs 2: with 100 EUR, nine fit at first, and fewer together towards the end."""
    transport, budget = Slow(), Budget(None, 100.0, Spending(), "EUR")
    outcomes = ask(log, transport, 80, budget, PRICES, max_tokens=10)
    assert transport.most_at_once <= 10
    assert 88 <= budget.spent.cost <= 100
    assert str(outcomes[-1]).startswith("`questions.max_cost: 100.0` leaves too little for the next call (")


def test_where_calls_take_a_day_none_waits_for_those_in_flight(log):
    transport = Slow()
    outcomes = ask(log, transport, 80, Budget(None, 100.0, Spending(), "EUR", waits=False), PRICES, max_tokens=10)
    assert counts(outcomes)[0] == transport.sent == 10


def test_after_a_refusal_no_shorter_prompt_is_favored(log):
    async def together() -> None:
        budget = Budget(None, 10.0, Spending(), "EUR")
        with pytest.raises(SpendingStopped):
            async with budget.call(11.0):
                pass
        with pytest.raises(SpendingStopped):
            async with budget.call(1.0):
                pass

    asyncio.run(together())


def test_jobs_get_a_part_of_what_is_left_and_name_the_limit_of_the_build_file(log):
    budget = Budget(100, None, Spending(), jobs=4, shared=Spending(calls=20))
    outcomes = ask(log, Slow(), 50, budget)
    assert counts(outcomes) == (20, 30)
    assert str(outcomes[-1]) == (
        "`questions.max_calls: 100` is reached (20 calls paid): this job may use 1/4 of what was left; everything is "
        "kept. Set a higher limit and run again to go on"
    )


def test_the_bound_of_a_call_is_its_prompt_and_its_longest_answer():
    prices = Prices(input=2.0, output=10.0)
    assert most_cost(Request("p" * 2_000, "m", {"max_tokens": 500}, "x"), prices) == pytest.approx(0.002 + 0.005)
    assert most_cost(Request("", "m", {}, "x"), prices) == pytest.approx(0.04096)
    assert most_cost(Request("p", "m", {}, "x"), None) == 0.0
