"""The work log: every answer of an endpoint, durable before it is used.

One SQLite file and one writing process. Invariants: `put` returns after the answer is synced to disk; the first answer
to a request is kept, whatever comes later; a kill leaves complete answers only. Answers that arrive during one sync are
committed together by the next, so that each sync covers many of them. A reserve file of 8 MiB next to the log is
deleted when the disk is full, so that the answers in flight can still be saved.
"""

import asyncio
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import WorkLogError
from in2_plugin.llm.request import Completion, Request, Usage, storable

VERSION = "1"
RESERVE_BYTES = 8 << 20
BUSY_SECONDS = 30.0
GROUP_SECONDS = 0.01
"""How long answers are collected for one sync; negligible next to an answer that took a second."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers(key BLOB PRIMARY KEY, purpose TEXT NOT NULL, model TEXT NOT NULL, text TEXT NOT NULL,
    finish TEXT NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, written REAL NOT NULL);
CREATE TABLE IF NOT EXISTS estimated(key BLOB PRIMARY KEY);
CREATE TABLE IF NOT EXISTS failures(number INTEGER PRIMARY KEY, key BLOB NOT NULL, purpose TEXT NOT NULL,
    reason TEXT NOT NULL, written REAL NOT NULL);
CREATE TABLE IF NOT EXISTS batches(digest TEXT PRIMARY KEY, id TEXT, status TEXT NOT NULL, keys BLOB NOT NULL,
    created REAL NOT NULL);
"""
_PUT_ANSWER = "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_ESTIMATED = "INSERT OR IGNORE INTO estimated VALUES (?)"
_PUT_FAILURE = "INSERT INTO failures(key, purpose, reason, written) VALUES (?, ?, ?, ?)"
_ABSORB = [
    *(f"INSERT OR IGNORE INTO {table} SELECT * FROM other.{table}" for table in ("facts", "answers", "batches")),
    "INSERT INTO failures(key, purpose, reason, written) SELECT key, purpose, reason, written FROM other.failures "
    "EXCEPT SELECT key, purpose, reason, written FROM main.failures",
]
_ABSORB_ESTIMATED = "INSERT OR IGNORE INTO estimated SELECT key FROM other.estimated"
Statement = tuple[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch of requests that was submitted, or was about to be."""

    digest: str
    id: str | None
    """The server's id; None if the process ended before it was known."""
    status: str
    keys: tuple[bytes, ...]
    """Request keys, in the order of the file."""


class WorkLog:
    """Answers by request key. Created in any thread; `put` and `get` belong to one event loop."""

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        known: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open or create a log; `read_only` neither creates nor locks anything and works during a running build.

        `known` is another log, which supplies the facts and answers that this one does not have.

        Raises:
            WorkLogError: it cannot be opened, is damaged, or has a newer version.
        """
        self.path = path
        self._clock = clock
        self._reserve = path.with_suffix(".reserve")
        self._pending: list[tuple[Statement, asyncio.Future[None] | None]] = []
        self._committing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="work-log")
        self._failure: WorkLogError | None = None
        self._known = WorkLog(known, read_only=True) if known and known.exists() else None
        with self._as_work_log_error("opened"):
            self._writer = None if read_only else self._open_writer()
            # a separate connection, because the writer's sees rows before they are durable
            self._reader = self._connect("ro")
            self._check_version(read_only)
            # logs of earlier versions do not have this table, and a reader does not create it
            self._is_estimated = "key IN (SELECT key FROM estimated)" if self._has_table("estimated") else "0"
        if not read_only:
            self._hold_reserve()

    def _connect(self, mode: str) -> sqlite3.Connection:
        name = f"{self.path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(name, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)

    def _open_writer(self) -> sqlite3.Connection:
        connection = self._connect("rwc")
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_SCHEMA)
        return connection

    def _check_version(self, read_only: bool) -> None:
        found = self.fact("version") if self._has_table("facts") else None
        if found is None and read_only:
            # the process that created it was killed; it has no answers, and the next writer completes it
            self._reader.close()
            self._reader = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
            self._reader.executescript(_SCHEMA)
        elif found is None:
            self.set_fact("version", VERSION)
        elif found != VERSION:
            raise WorkLogError(
                f"{self.path}: is a work log of version {found}, but this program reads version {VERSION}; "
                "install the version of in2-plugin that wrote it"
            )

    def _hold_reserve(self) -> None:
        if self._reserve.exists() and self._reserve.stat().st_size == RESERVE_BYTES:
            return
        try:
            # real bytes: a sparse file would reserve nothing
            with self._reserve.open("wb") as file:
                file.write(bytes(RESERVE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError as failure:
            self._reserve.unlink(missing_ok=True)
            raise WorkLogError(
                f"{self.path}: no space for a reserve of {RESERVE_BYTES >> 20} MiB next to it ({failure.strerror}); "
                "free some space and run again"
            ) from None

    @contextmanager
    def _as_work_log_error(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as failure:
            raise WorkLogError(
                f"{self.path}: the work log cannot be {what} ({failure}); every answer that was counted is still "
                "in it. Check the disk, then run the same command again"
            ) from failure

    def close(self) -> None:
        """Finish pending writes and merge the write-ahead log into the file."""
        self._thread.shutdown(wait=True)
        self._reader.close()
        if self._known:
            self._known.close()
        if self._writer:
            with suppress(sqlite3.Error):
                # a plain file again, readable from a read-only disk; fails while another process reads it
                self._writer.execute("PRAGMA journal_mode=DELETE").fetchall()
            self._writer.close()
            self._reserve.unlink(missing_ok=True)

    def require_room(self) -> None:
        """Check that no write has failed so far.

        Raises:
            WorkLogError: the first failure.
        """
        if self._failure:
            raise self._failure

    def get(self, key: bytes) -> Completion | None:
        """Return the answer to a request, or None. About 20 microseconds."""
        columns = f"text, finish, input_tokens, output_tokens, {self._is_estimated}"
        rows = self._rows(f"SELECT {columns} FROM answers WHERE key = ?", key)
        if not rows and self._known:
            return self._known.get(key)
        if not rows:
            return None
        text, finish, input_tokens, output_tokens, is_estimated = rows[0]
        return Completion(text, finish, input_tokens, output_tokens, bool(is_estimated))

    async def put(self, request: Request, answer: Completion) -> None:
        """Store an answer; it is durable when this returns.

        Raises:
            WorkLogError: it could not be stored.
        """
        row = (
            request.key, request.purpose, request.model, answer.text, answer.finish,
            answer.input_tokens, answer.output_tokens, self._clock(),
        )  # fmt: skip
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if answer.is_estimated:
            self._enqueue((_PUT_ESTIMATED, (request.key,)), None)
        self._enqueue((_PUT_ANSWER, row), durable)
        await durable

    def put_failure(self, request: Request, reason: str) -> None:
        """Record a failed request, for `in2 status`; nothing waits for the write."""
        self._enqueue((_PUT_FAILURE, (request.key, request.purpose, storable(reason), self._clock())), None)

    def _enqueue(self, statement: Statement, durable: asyncio.Future[None] | None) -> None:
        self._pending.append((statement, durable))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.get_running_loop().create_task(self._commit_pending())

    async def _commit_pending(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            await asyncio.sleep(GROUP_SECONDS)
            group, self._pending = self._pending, []
            try:
                await loop.run_in_executor(self._thread, self._commit, [statement for statement, _ in group])
            except Exception as failure:
                # no caller may wait forever
                self._failure = (
                    failure
                    if isinstance(failure, WorkLogError)
                    else WorkLogError(f"{self.path}: the work log cannot be written ({failure!r}); please report this")
                )
                for _, durable in group:
                    if durable and not durable.done():
                        durable.set_exception(self._failure)
            else:
                for _, durable in group:
                    if durable and not durable.done():
                        durable.set_result(None)

    async def flush(self) -> None:
        """Wait until all pending writes are committed."""
        if self._committing:
            await self._committing

    def _commit(self, statements: list[Statement]) -> None:
        try:
            self._transaction(statements)
        except sqlite3.Error as failure:
            if not self._reserve.exists():
                with self._as_work_log_error("written"):
                    raise
            self._reserve.unlink()
            with self._as_work_log_error("written"):
                self._transaction(statements)
            self._failure = WorkLogError(
                f"{self.path}: the disk is full or failing ({failure}); the answers in flight were saved in reserved "
                "space. Free some space, then run the same command again"
            )

    def _transaction(self, statements: list[Statement]) -> None:
        assert self._writer, "a read-only log is never written"
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            for sql, row in statements:
                self._writer.execute(sql, row)
            self._writer.execute("COMMIT")
        except Exception:
            # some failures have already rolled back
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    def _rows(self, sql: str, *values: object) -> list[Any]:
        # fetchall, because an unfinished statement would block checkpoints of the write-ahead log
        with self._as_work_log_error("read"):
            return self._reader.execute(sql, values).fetchall()

    def _has_table(self, name: str, schema: str = "main", connection: sqlite3.Connection | None = None) -> bool:
        found = f"SELECT 1 FROM {schema}.sqlite_master WHERE type = 'table' AND name = ?"
        return bool((connection or self._reader).execute(found, (name,)).fetchall())

    def _write(self, sql: str, *values: object) -> None:
        with self._as_work_log_error("written"):
            self._thread.submit(self._transaction, [(sql, values)]).result()

    def fact(self, name: str) -> str | None:
        """Return a fact about this log, for example which answer format a server accepted; None if it is not set."""
        rows = self._rows("SELECT value FROM facts WHERE name = ?", name)
        if not rows and self._known and name != "version":
            return self._known.fact(name)
        return str(rows[0][0]) if rows else None

    def set_fact(self, name: str, value: str) -> None:
        """Store a fact durably; a later value replaces it."""
        self._write("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value)

    def absorb(self, path: Path) -> None:
        """Copy the content of another log into this one; existing rows are kept.

        Raises:
            WorkLogError: the other log cannot be read, or this one cannot be written.
        """
        with closing(WorkLog(path, read_only=True)) as other:  # checks its version
            if other.fact("version") is None:
                return  # empty: the process that created it was killed
        with self._as_work_log_error("merged"):
            self._thread.submit(self._absorb, path).result()

    def _absorb(self, path: Path) -> None:
        assert self._writer, "a read-only log is never written"
        self._writer.execute("ATTACH ? AS other", (str(path),))
        try:
            statements = (
                [*_ABSORB, _ABSORB_ESTIMATED] if self._has_table("estimated", "other", self._writer) else _ABSORB
            )
            self._transaction([(sql, ()) for sql in statements])
        finally:
            self._writer.execute("DETACH other")

    def begin_batch(self, digest: str, keys: tuple[bytes, ...]) -> None:
        """Record that a batch is about to be submitted."""
        row = (digest, None, "beginning", b"".join(keys), self._clock())
        self._write("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?)", *row)

    def name_batch(self, digest: str, name: str) -> None:
        """Record the server's id of a batch."""
        self._write("UPDATE batches SET id = ?, status = 'open' WHERE digest = ?", name, digest)

    def end_batch(self, digest: str, status: str) -> None:
        """Record the end of a batch."""
        self._write("UPDATE batches SET status = ? WHERE digest = ?", status, digest)

    def open_batches(self) -> list[BatchRecord]:
        """Return the batches whose answers have not been collected."""
        rows = self._rows("SELECT digest, id, status, keys FROM batches WHERE status IN ('beginning', 'open')")
        return [BatchRecord(digest, name, status, _split(keys)) for digest, name, status, keys in rows]

    def totals(self) -> Mapping[str, Usage]:
        """Return answers and tokens by purpose."""
        sums = (
            f"SELECT purpose, COUNT(*), SUM(input_tokens), SUM(output_tokens), SUM({self._is_estimated}) "
            "FROM answers GROUP BY purpose"
        )
        return {purpose: Usage(*counts) for purpose, *counts in self._rows(f"{sums} ORDER BY purpose")}

    def known_totals(self) -> Mapping[str, Usage]:
        """Return those of the other log; empty without one."""
        return self._known.totals() if self._known else {}

    def answers_without_usage(self) -> int:
        """Return the number of answers with a token count of 0, those of the other log included.

        Logs of earlier versions have them, from servers that report no `usage`; see `in2_plugin.llm.usage`.
        """
        unknown = "input_tokens = 0 OR (output_tokens = 0 AND text != '')"
        own = int(self._rows(f"SELECT COUNT(*) FROM answers WHERE {unknown}")[0][0])
        return own + (self._known.answers_without_usage() if self._known else 0)

    def failures(self) -> Counter[str]:
        """Return the reasons of failed requests, with their counts."""
        return Counter(dict(self._rows("SELECT reason, COUNT(*) FROM failures GROUP BY reason")))


def _split(keys: bytes) -> tuple[bytes, ...]:
    return tuple(keys[i : i + 32] for i in range(0, len(keys), 32))
