"""Runs of a batch endpoint against the server in `batch_server`, and runs that are interrupted at a chosen moment.

As a program, `python tests/support/batch_runs.py URL LOG COUNT` sends COUNT requests and prints `done`: a process to
kill.
"""

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from in2_plugin.config import EndpointConfig
from in2_plugin.llm.batch.transport import BatchEndpoint
from in2_plugin.llm.caller import Caller
from in2_plugin.llm.request import Request
from in2_plugin.llm.work_log import WorkLog


def endpoint(url, log: WorkLog, max_bytes: int = 10_000_000, **changes) -> BatchEndpoint:
    values = {"model": "m", "base_url": url, "mode": "batch", "poll_seconds": 0.01, **changes}
    config = EndpointConfig.parse(values, "test")
    return BatchEndpoint(config, log, idle_seconds=0.02, first_wait=0.001, max_bytes=max_bytes)


def request(prompt: object, **parameters) -> Request:
    return Request(str(prompt), "m", parameters, "x")


def texts(answers) -> list[str]:
    return [answer.text for answer in answers]


def expected(prompts) -> list[str]:
    return [f"answer to {p}" for p in prompts]


async def ask_all(batch: BatchEndpoint, log: WorkLog, prompts) -> list:
    """Ask all prompts at once; a failed one gives its exception."""
    caller = Caller(log, batch)
    tasks = [asyncio.create_task(caller.ask(request(p))) for p in prompts]
    _, pending = await asyncio.wait(tasks, timeout=120)
    assert not pending
    return [task.exception() or task.result() for task in tasks]


def ask(server_or_url, path: Path, prompts, **changes) -> list:
    """Run all prompts with a work log."""

    async def run() -> list:
        log = WorkLog(path)
        batch = endpoint(getattr(server_or_url, "base_url", server_or_url), log, **changes)
        try:
            return await ask_all(batch, log, prompts)
        finally:
            await batch.close()
            await log.flush()
            log.close()

    return asyncio.run(run())


def abandon(server, path: Path, prompts, moment: str) -> None:
    """Start a run, and abandon it when the server holds it at `moment`."""
    server.reached[moment].clear()
    server.held.add(moment)

    async def run() -> None:
        batch = endpoint(server.base_url, log)
        asking = asyncio.create_task(ask_all(batch, log, prompts))
        assert await asyncio.to_thread(server.reached[moment].wait, 60)
        await batch.close()
        await asking

    log = WorkLog(path)
    asyncio.run(run())
    log.close()
    server.release()


def statuses(path: Path) -> list[str]:
    """Return the status of each batch in a work log, in the order of their creation."""
    with closing(sqlite3.connect(path)) as connection:
        return [status for (status,) in connection.execute("SELECT status FROM batches ORDER BY rowid")]


def main() -> None:
    url, path, count = sys.argv[1:]
    ask(url, Path(path), range(int(count)))
    print("done", flush=True)


if __name__ == "__main__":
    main()
