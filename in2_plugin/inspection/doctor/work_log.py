"""Checks of the work log: sound as a database, and every question has the answer that it came from."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.inspection.report import LeftOut, Report
from in2_plugin.llm.work_log import WorkLog

ADVICE = "copy the file, then restore it with `sqlite3 work.sqlite .recover`; do not delete it: it was paid for"
BROKEN = "length(key) != 32 OR finish = '' OR input_tokens < 0 OR output_tokens < 0"
SILENT = "text = ''"
OPEN = "status IN ('beginning', 'open')"


def work_log(folder: Path, report: Report) -> str:
    """SQLite finds nothing wrong in it, its version is known, and every answer is whole."""
    path = folder / layout.WORK_LOG
    WorkLog(path, read_only=True).close()
    with closing(_open(path)) as connection:
        for (found,) in connection.execute("PRAGMA integrity_check").fetchall():
            if found != "ok":
                report.wrong(layout.WORK_LOG, str(found), ADVICE)
        broken, silent = _count(connection, "answers", BROKEN), _count(connection, "answers", SILENT)
        answers, batches = _count(connection, "answers", "1"), _count(connection, "batches", OPEN)
    if broken:
        report.wrong(layout.WORK_LOG, f"answers that are not whole: {broken:,}", ADVICE)
    if silent:
        report.note(layout.WORK_LOG, f"answers without any text: {silent:,}", "nothing to do: no question came of them")
    if batches:
        report.note(
            layout.WORK_LOG, f"batches that are open with the server: {batches}", "run `in2 build` to collect them"
        )
    return f"{answers:,} answers"


def answers_of_questions(folder: Path, report: Report) -> str:
    """The answer that each question came from is in the log, so that a build makes the question again for nothing."""
    missing = count = 0
    with closing(_open(folder / layout.WORK_LOG)) as connection:
        for key in _requests(folder / layout.QUESTIONS):
            count += 1
            if not connection.execute("SELECT 1 FROM answers WHERE key = ?", (key,)).fetchall():
                missing += 1
    if missing:
        advice = "put back the work.sqlite of this folder; without it, a restart pays for these answers again"
        report.wrong(layout.WORK_LOG, f"lacks the answers of {missing:,} of {count:,} questions", advice)
    return f"{count:,} questions"


def _requests(path: Path) -> Iterator[bytes]:
    with pq.ParquetFile(path) as file:
        if "request" not in file.schema_arrow.names:
            raise LeftOut("the questions were written by an older version, which kept no keys")
        for batch in file.iter_batches(columns=["request"]):
            yield from (bytes.fromhex(key) for key in batch.column(0).to_pylist() if key)


def _count(connection: sqlite3.Connection, table: str, condition: str) -> int:
    (count,) = connection.execute(f"SELECT COUNT(*) FROM {table} WHERE {condition}").fetchone()
    return int(count)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
