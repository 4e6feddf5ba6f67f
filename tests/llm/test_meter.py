import asyncio

from in2_plugin.config import Prices
from in2_plugin.llm.caller import Caller
from in2_plugin.llm.meter import Meter, PricedModel, total
from in2_plugin.llm.request import Request, Usage
from in2_plugin.llm.work_log import WorkLog
from tests.support.transports import Counting


def test_line_shows_rates_traffic_cost_and_replayed_answers(tmp_path):
    log = WorkLog(tmp_path / "work.sqlite")
    now = 100.0
    caller = Caller(log, Counting())
    prices = Prices(input=1_000_000, output=500_000, currency="EUR")
    meter = Meter([PricedModel(caller, prices, lambda: "2 of 4 at once")], lambda: now)
    assert meter.line() == "no answer yet, 2 of 4 at once, 0.00 EUR"

    async def ask(first: int, last: int) -> None:
        await asyncio.gather(*(caller.ask(Request(str(i), "m", {}, "x")) for i in range(first, last)))

    asyncio.run(ask(0, 20))
    now = 104.0
    # one input token and one output token per answer
    assert meter.line() == "5.0 requests/s, 10 tokens/s, 2 of 4 at once, 30.00 EUR"
    asyncio.run(ask(10, 20))
    now = 200.0
    assert meter.line() == "0 requests/s, 2 of 4 at once, 30.00 EUR, 10 from the work log"
    log.close()


def test_total():
    assert total([Usage(1, 2, 3), Usage(4, 5, 6)]) == Usage(5, 7, 9)
