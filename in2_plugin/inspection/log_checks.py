"""Checks of the work log: sound as a database, and every question has the answer that it came from."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq

from in2_plugin.calls.work_log import WorkLog
from in2_plugin.claiming import WORK_LOG
from in2_plugin.inspection.finding import LeftOut, Report


def work_log(folder: Path, report: Report) -> str:
    """SQLite finds nothing wrong in it, and every answer is whole."""
    path = folder / WORK_LOG
    log = WorkLog(path, read_only=True)
    log.close()
    advice = "copy the file, then restore it with `sqlite3 work.sqlite .recover`; do not delete it: it was paid for"
    with closing(_open(path)) as connection:
        for (found,) in connection.execute("PRAGMA integrity_check").fetchall():
            if found != "ok":
                report.wrong(WORK_LOG, str(found), advice)
        broken = "length(key) != 32 OR finish = '' OR input_tokens < 0 OR output_tokens < 0"
        (count,) = connection.execute(f"SELECT COUNT(*) FROM answers WHERE {broken}").fetchone()
        if count:
            report.wrong(WORK_LOG, f"holds {count:,} answers that are not whole", advice)
        (answers,) = connection.execute("SELECT COUNT(*) FROM answers").fetchone()
        (batches,) = connection.execute("SELECT COUNT(*) FROM batches WHERE status IN ('beginning', 'open')").fetchone()
    if batches:
        report.note(WORK_LOG, f"{batches} batches are open with the server", "run `in2 build` again to collect them")
    return f"{answers:,} answers"


def answers_of_questions(folder: Path, report: Report) -> str:
    """The answer that each question came from is in the log, so that a build makes the question again for nothing."""
    missing = count = 0
    with closing(_open(folder / WORK_LOG)) as connection:
        for key in _requests(folder / "questions.parquet"):
            count += 1
            if not connection.execute("SELECT 1 FROM answers WHERE key = ?", (key,)).fetchall():
                missing += 1
    if missing:
        advice = "put back the work.sqlite of this folder; without it, a restart pays for these answers again"
        report.wrong(WORK_LOG, f"lacks the answers of {missing:,} of {count:,} questions", advice)
    return f"{count:,} answers"


def _requests(path: Path) -> Iterator[bytes]:
    with pq.ParquetFile(path) as file:
        if "request" not in file.schema_arrow.names:
            raise LeftOut("the questions were written by an older version, which kept no keys")
        for batch in file.iter_batches(columns=["request"]):
            yield from (bytes.fromhex(key) for key in batch.column(0).to_pylist() if key)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
