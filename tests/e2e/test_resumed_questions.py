"""Whatever happens between the first call and the last - answers in any order, errors that end the run, kills at any
moment - the rows are those of an uninterrupted run, and a call is only paid twice if it was under way at a kill.

The real work log, caller, pipeline and production run here on one event loop that the test steps by hand; only the
endpoint is played. A kill is what SIGKILL leaves: a copy of the log's files as they are at that moment.
"""

import asyncio
import json
import shutil
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from in2_plugin.config import QuestionsConfig
from in2_plugin.errors import EndpointError
from in2_plugin.llm.caller import Caller
from in2_plugin.llm.request import Completion, Request
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.questions import Kind, Passage
from in2_plugin.questions.model.pipeline import AskedModel, Pipeline
from in2_plugin.questions.model.production import Production

PASSAGES = 9
OPEN_AT_ONCE = 4
CONFIG = QuestionsConfig.parse(
    {
        "writer": "endpoint",
        "endpoint": {"model": "m"},
        "questions_per_call": 2,
        "verify": {"fine_grained": ["answerable", "closed_book"]},
    },
    "test",
)


def passage(i: int) -> Passage:
    # two passages say the same: their requests are one
    name = f"Harbour{i if i != 5 else 4}"
    text = f"{name} was founded in the year 18{i if i != 5 else 4}3 by a crew of fishermen from the northern islands."
    return Passage(Kind.FINE_GRAINED, i, (i,), (text,), 0)


def reply(request: Request) -> Completion:
    """What the endpoint says: a function of the request alone, good and bad answers among them."""
    prompt = request.prompt
    if request.purpose == "answerable":
        text = "UNANSWERABLE" if "Harbour7" in prompt else "a crew of fishermen from the northern islands"
    elif request.purpose in {"closed_book", "agreement"}:
        text = "UNANSWERABLE" if request.purpose == "closed_book" else "DIFFERENT"
    elif "Harbour1" in prompt or ("Harbour2" in prompt and "An earlier answer" not in prompt):
        text = "I would rather talk about the weather."
    elif "Harbour3" in prompt:
        return Completion("", "refusal", 50, 1)
    elif "Harbour6" in prompt:
        return Completion("### Question ###: Who", "length", 50, 5)
    else:
        name = next(word for word in prompt.split() if word.startswith("Harbour"))
        pairs = [
            {"question": f"Who founded {name}?", "answer": "a crew of fishermen from the northern islands"},
            {"question": f"When was {name} founded?", "answer": "In the nineteenth century by fishermen, in the year"},
        ]
        text = json.dumps({"questions": pairs})
    return Completion(text, "stop", len(prompt) // 4, len(text) // 4)


class Played:
    """A transport whose requests wait until the test decides."""

    def __init__(self) -> None:
        self.waiting: dict[bytes, tuple[Request, asyncio.Future[Completion]]] = {}

    async def answer(self, request: Request) -> Completion:
        assert request.key not in self.waiting, "one request is under way twice"
        future = asyncio.get_running_loop().create_future()
        self.waiting[request.key] = request, future
        try:
            return await future
        finally:
            del self.waiting[request.key]

    def stop(self) -> None: ...
    def resume(self) -> None: ...
    def traffic(self) -> str: ...
    async def close(self) -> None: ...


class Session:
    """One process's worth of work on a folder."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.folder = loop, folder
        self.log = WorkLog(folder / "work.sqlite")
        self.transport = Played()
        self.rows: list[str] = []
        ask = Caller(self.log, self.transport).ask
        speaker = AskedModel(ask, "m", {"temperature": 1})
        self.pipeline = Pipeline(CONFIG, speaker, speaker, "markers", "test")
        self.production = Production(self.pipeline.results, OPEN_AT_ONCE, 2, lambda: 10**6)
        self.run = loop.create_task(self.production.run(map(passage, range(PASSAGES)), self._deliver))
        self.settle()

    def _deliver(self, results) -> None:
        self.rows += [json.dumps(asdict(result)) for result in results]
        self.production.take()

    def step(self, times: int) -> None:
        async def steps() -> None:
            for _ in range(times):
                await asyncio.sleep(0)

        self.loop.run_until_complete(steps())

    def settle(self) -> None:
        """Let everything happen that does not wait for an answer."""
        for _ in range(5):
            self.step(20)
            self.loop.run_until_complete(self.log.flush())

    def abandon(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.step(20)
        self.log.close()


def uninterrupted() -> list[str]:
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Path(folder), loop)
        while session.transport.waiting:
            request, future = next(iter(session.transport.waiting.values()))
            future.set_result(reply(request))
            session.settle()
        assert session.run.done()
        session.abandon()
    loop.close()
    return session.rows


EXPECTED = uninterrupted()


def test_the_uninterrupted_run_has_all_sorts_of_results():
    rows = [json.loads(row) for row in EXPECTED]
    documents = {row["document"] for row in rows if "reason" not in row}
    assert documents == {0, 2, 4, 5, 8}
    assert {row["passage"]["document"]: row["reason"] for row in rows if "reason" in row}.keys() >= {1, 3, 6, 7}


class Interruptions(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folders = tempfile.TemporaryDirectory()
        self.number = 0
        self.paid: Counter[bytes] = Counter()
        self.in_flight_at_kills: Counter[bytes] = Counter()
        self.session: Session | None = Session(self._folder(), self.loop)

    def _folder(self) -> Path:
        folder = Path(self.folders.name) / str(self.number)
        folder.mkdir(exist_ok=True)
        return folder

    def _pay(self, choice: int) -> None:
        waiting = list(self.session.transport.waiting.values())
        request, future = waiting[choice % len(waiting)]
        self.paid[request.key] += 1
        future.set_result(reply(request))

    def waits(self) -> bool:
        return self.session is not None and bool(self.session.transport.waiting)

    @precondition(waits)
    @rule(choice=st.integers(0, 100))
    def answer(self, choice: int) -> None:
        self._pay(choice)
        self.session.settle()

    @precondition(waits)
    @rule(choice=st.integers(0, 100))
    def give_up(self, choice: int) -> None:
        """The endpoint fails for good: the run begins nothing more, and ends when what is under way is answered."""
        waiting = list(self.session.transport.waiting.values())
        waiting[choice % len(waiting)][1].set_exception(EndpointError("too many errors"))
        self.session.settle()
        while self.session.transport.waiting:
            self._pay(choice)
            self.session.settle()
        assert isinstance(self.session.run.exception(), EndpointError)
        self._end()

    @precondition(lambda self: self.session is not None)
    @rule(choices=st.lists(st.integers(0, 100), max_size=4), steps=st.integers(0, 12))
    def kill(self, choices: list[int], steps: int) -> None:
        """Some answers may be on their way into the log when it happens."""
        in_flight = set(self.session.transport.waiting)
        for choice in choices:
            if waiting := [w for w in self.session.transport.waiting.values() if not w[1].done()]:
                request, future = waiting[choice % len(waiting)]
                self.paid[request.key] += 1
                future.set_result(reply(request))
        self.session.step(steps)
        in_flight |= set(self.session.transport.waiting)
        source = self._folder()
        self.number += 1
        for file in source.glob("work.sqlite*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, self._folder() / file.name)
        self.session.abandon()
        self.in_flight_at_kills.update(in_flight)
        self.session = None

    @precondition(lambda self: self.session is None)
    @rule()
    def resume(self) -> None:
        self.session = Session(self._folder(), self.loop)

    def _end(self) -> None:
        self.session.abandon()
        self.session = None

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.session = self.session or Session(self._folder(), self.loop)
        while self.session.transport.waiting:
            self._pay(0)
            self.session.settle()
        self.session.run.result()
        assert self.session.rows == EXPECTED
        for key, times in self.paid.items():
            assert times - 1 <= self.in_flight_at_kills[key]
        self._end()
        self.loop.close()
        self.folders.cleanup()


Interruptions.TestCase.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestInterruptions = Interruptions.TestCase
