import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from in2_plugin.errors import WorkLogError
from in2_plugin.llm.request import Completion, Request, Usage
from in2_plugin.llm.work_log import RESERVE_BYTES, WorkLog
from tests.support import ROOT


def request(prompt: str = "p", **changes) -> Request:
    return Request(**{"prompt": prompt, "model": "m", "parameters": {"temperature": 1}, "purpose": "x", **changes})


def answer(text: str = "a") -> Completion:
    return Completion(text, "stop", 10, 2)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "work.sqlite"


def put_all(log: WorkLog, pairs) -> None:
    async def put() -> None:
        await asyncio.gather(*(log.put(sent, reply) for sent, reply in pairs))

    asyncio.run(put())


def test_answers_are_found_by_another_process(path):
    log = WorkLog(path)
    put_all(log, [(request(str(i)), answer(f"{i} ü")) for i in range(100)])
    # durable before it is closed: what another connection sees is committed
    assert sqlite3.connect(path).execute("SELECT COUNT(*) FROM answers").fetchone() == (100,)
    log.close()
    log = WorkLog(path)
    assert log.get(request("7").key) == answer("7 ü")
    assert log.get(request("100").key) is None
    log.close()


@pytest.mark.parametrize(
    "change", [{"prompt": "q"}, {"model": "n"}, {"parameters": {"temperature": 0}}, {"parameters": {}}, {"draw": 1}]
)
def test_the_key_covers_prompt_model_parameters_and_draw(change):
    assert request(**change).key != request().key


def test_the_key_covers_the_parser_version(monkeypatch):
    before = request().key
    monkeypatch.setattr("in2_plugin.llm.request.PARSER", 99)
    assert request().key != before


def test_the_key_does_not_depend_on_purpose_or_order_of_parameters():
    assert request(purpose="y").key == request().key
    assert request(parameters={"a": 1, "b": 2}).key == request(parameters={"b": 2, "a": 1}).key


def test_the_first_answer_is_kept(path):
    log = WorkLog(path)
    put_all(log, [(request(), answer("first"))])
    put_all(log, [(request(), answer("second"))])
    assert log.get(request().key) == answer("first")
    log.close()


def test_a_lone_surrogate_has_a_key_and_can_be_stored(path):
    assert len(request("\ud800").key) == 32
    log = WorkLog(path)
    put_all(log, [(request(), answer("a\ud83d"))])
    assert log.get(request().key).text == "a\ufffd"
    log.close()


def test_no_caller_waits_forever_when_a_row_cannot_be_written(path):
    log = WorkLog(path)
    unwritable = request(purpose="half \ud83d")
    with pytest.raises(WorkLogError, match="please report"):
        put_all(log, [(unwritable, answer())])
    log.close()
    log = WorkLog(path)
    put_all(log, [(request("next"), answer())])
    log.close()


def test_totals_and_failures(path):
    async def fill(log: WorkLog) -> None:
        await log.put(request("1"), answer())
        await log.put(request("2"), answer())
        await log.put(request("3", purpose="judge"), answer())
        log.put_failure(request("4"), "503")
        log.put_failure(request("5"), "503")
        await log.flush()

    log = WorkLog(path)
    asyncio.run(fill(log))
    totals = log.totals()
    assert (totals["x"].answers, totals["x"].input_tokens, totals["x"].output_tokens) == (2, 20, 4)
    assert totals["judge"].answers == 1
    assert log.failures() == {"503": 2}
    log.close()


def test_a_log_can_be_read_while_it_is_written(path):
    log = WorkLog(path)
    put_all(log, [(request(), answer())])
    reader = WorkLog(path, read_only=True)
    assert reader.get(request().key) == answer()
    put_all(log, [(request("2"), answer("later"))])
    assert reader.get(request("2").key) == answer("later")
    reader.close()
    log.close()


@pytest.mark.parametrize("tables", ["", "CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT NOT NULL)"])
def test_a_log_whose_creation_was_killed_is_empty_and_the_next_writer_completes_it(path, tables):
    connection = sqlite3.connect(path)
    connection.execute(tables)
    connection.close()
    path.touch()
    reader = WorkLog(path, read_only=True)
    assert (reader.totals(), reader.get(request().key), reader.answers_without_usage()) == ({}, None, 0)
    reader.close()
    own = WorkLog(path.with_name("own.sqlite"), known=path)
    own.absorb(path)
    own.close()
    log = WorkLog(path)
    put_all(log, [(request(), answer())])
    assert log.get(request().key) == answer()
    log.close()


def test_read_only_creates_nothing(path):
    with pytest.raises(WorkLogError, match="cannot be opened"):
        WorkLog(path, read_only=True)
    assert list(path.parent.iterdir()) == []


def test_close_leaves_one_file(path):
    log = WorkLog(path)
    put_all(log, [(request(), answer())])
    log.close()
    assert [file.name for file in path.parent.iterdir()] == ["work.sqlite"]


def test_facts(path):
    log = WorkLog(path)
    assert log.fact("format") is None
    log.set_fact("format", "markers")
    assert log.fact("format") == "markers"
    log.close()


def test_batches_stay_open_until_they_are_ended(path):
    log = WorkLog(path)
    keys = (request("1").key, request("2").key)
    log.begin_batch("d", keys)
    assert [(b.digest, b.id, b.keys) for b in log.open_batches()] == [("d", None, keys)]
    log.name_batch("d", "batch_1")
    assert [(b.id, b.status) for b in log.open_batches()] == [("batch_1", "open")]
    log.end_batch("d", "completed")
    assert log.open_batches() == []
    log.close()


def test_a_newer_version_is_rejected(path):
    log = WorkLog(path)
    log.set_fact("version", "2")
    log.close()
    with pytest.raises(WorkLogError, match="of version 2, but this program reads version 1"):
        WorkLog(path)


def test_a_file_that_is_not_a_log_is_rejected(path):
    path.write_text("years of work, " * 100)
    with pytest.raises(WorkLogError, match="file is not a database"):
        WorkLog(path)
    assert path.read_text().startswith("years")


def test_a_full_disk_saves_the_answers_in_flight_and_then_rejects_writes(path):
    """SQLite itself reports a full disk here: the page limit raises the same SQLITE_FULL as a write that fails."""
    log = WorkLog(path)
    pages = log._writer.execute("PRAGMA page_count").fetchone()[0]
    log._writer.execute(f"PRAGMA max_page_count = {pages}")
    make_room = threading.Event()
    unlink = Path.unlink

    def freeing(self, **how):  # on a real disk, deleting the reserve makes room
        unlink(self, **how)
        if self.suffix == ".reserve":
            log._writer.execute("PRAGMA max_page_count = 1000000")
            make_room.set()

    patch = pytest.MonkeyPatch()
    patch.setattr(Path, "unlink", freeing)
    big = answer("x" * 100_000)
    put_all(log, [(request(str(i)), big) for i in range(8)])
    patch.undo()
    assert make_room.is_set()
    assert all(log.get(request(str(i)).key) == big for i in range(8))
    with pytest.raises(WorkLogError, match="disk is full or failing"):
        log.require_room()
    log.close()


def test_a_full_disk_without_reserve_keeps_the_stored_answers(path):
    log = WorkLog(path)
    put_all(log, [(request("old"), answer())])
    (path.parent / "work.reserve").unlink()
    pages = log._writer.execute("PRAGMA page_count").fetchone()[0]
    log._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(WorkLogError, match=r"cannot be written \(database or disk is full\)"):
        put_all(log, [(request("new"), answer("x" * 100_000))])
    with pytest.raises(WorkLogError):
        log.require_room()
    log.close()
    log = WorkLog(path)
    assert log.get(request("old").key) == answer()
    assert log.get(request("new").key) is None
    log.close()


def test_the_reserve_holds_real_bytes(path):
    log = WorkLog(path)
    reserve = (path.parent / "work.reserve").stat()
    assert reserve.st_size == RESERVE_BYTES
    assert reserve.st_blocks * 512 >= RESERVE_BYTES
    log.close()


CHILD = """
import asyncio, sys
from pathlib import Path
from in2_plugin.llm.request import Completion, Request
from in2_plugin.llm.work_log import WorkLog

async def main():
    log = WorkLog(Path(sys.argv[1]))
    async def one(i):
        await log.put(Request(str(i), "m", {}, "x"), Completion("y" * 2000, "stop", 1, 1))
        print(i, flush=True)  # printed only after it is durable
    first = int(sys.argv[2])
    for start in range(first, first + 100_000, 16):
        await asyncio.gather(*(one(i) for i in range(start, start + 16)))

asyncio.run(main())
"""


def test_durable_answers_survive_sigkill(path):
    printed: list[int] = []
    for attempt in range(5):
        arguments = [sys.executable, "-c", CHILD, str(path), str(attempt * 1_000_000)]
        child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ})
        assert child.stdout
        for _ in range(50 + attempt * 37):
            printed.append(int(child.stdout.readline()))
        child.send_signal(signal.SIGKILL)
        printed += [int(line) for line in child.stdout if line.endswith("\n")]
        child.wait()
    log = WorkLog(path)
    kept = [i for i in printed if log.get(Request(str(i), "m", {}, "x").key)]
    assert kept == printed
    assert len(printed) > 500
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    log.close()


def test_estimated_tokens_are_marked_here_and_in_logs_of_jobs(path):
    log, job = WorkLog(path), WorkLog(path.with_name("job.sqlite"))
    put_all(log, [(request("known"), answer()), (request("unknown"), replace(answer(), is_estimated=True))])
    put_all(job, [(request("of a job"), replace(answer(), is_estimated=True))])
    job.close()
    log.absorb(job.path)
    assert [log.get(request(name).key).is_estimated for name in ("known", "unknown", "of a job")] == [False, True, True]
    assert log.totals() == {"x": Usage(3, 30, 6, 2)}
    log.close()


def test_logs_of_earlier_versions_have_no_estimates(path):
    old, log = WorkLog(path), WorkLog(path.with_name("new.sqlite"))
    put_all(old, [(request(), answer())])
    old.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE estimated")
    reader = WorkLog(path, read_only=True)
    assert reader.get(request().key) == answer()
    assert reader.totals() == {"x": Usage(1, 10, 2)}
    reader.close()
    log.absorb(path)
    assert log.totals() == {"x": Usage(1, 10, 2)}
    log.close()


def test_a_reason_with_half_a_surrogate_pair_is_stored(path):
    log = WorkLog(path)

    async def fail() -> None:
        log.put_failure(request(), "half \ud800")
        await log.flush()

    asyncio.run(fail())
    assert log.failures() == {"half \ufffd": 1}
    log.close()
