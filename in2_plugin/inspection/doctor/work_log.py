"""Check the work log: the database is sound and contains the answer that each question came from."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.inspection.report import RECOVER_WORK_LOG, CheckReport, CheckSkipped
from in2_plugin.llm.work_log import WorkLog

BROKEN = "length(key) != 32 OR finish = '' OR input_tokens < 0 OR output_tokens < 0"
SILENT = "text = ''"
OPEN = "status IN ('beginning', 'open')"


def check_work_log(folder: Path, report: CheckReport) -> str:
    """Check the integrity of the database, its version, and that every answer is complete."""
    path = folder / layout.WORK_LOG
    WorkLog(path, read_only=True).close()
    with closing(_open(path)) as connection:
        for (found,) in connection.execute("PRAGMA integrity_check").fetchall():
            if found != "ok":
                report.error(layout.WORK_LOG, str(found), RECOVER_WORK_LOG)
        broken, silent = _count(connection, "answers", BROKEN), _count(connection, "answers", SILENT)
        answers, batches = _count(connection, "answers", "1"), _count(connection, "batches", OPEN)
    if broken:
        report.error(layout.WORK_LOG, f"incomplete answers: {broken:,}", RECOVER_WORK_LOG)
    if silent:
        report.note(layout.WORK_LOG, f"empty answers: {silent:,}", "nothing to do: they gave no question")
    if batches:
        report.note(layout.WORK_LOG, f"batches still open at the server: {batches}", "run `in2 build` to collect them")
    return f"{answers:,} answers"


def check_answers_of_questions(folder: Path, report: CheckReport) -> str:
    """Check that the log contains the answer behind each question, so that a rebuild costs nothing."""
    missing = count = 0
    with closing(_open(folder / layout.WORK_LOG)) as connection:
        for key in _requests(folder / layout.QUESTIONS):
            count += 1
            if not connection.execute("SELECT 1 FROM answers WHERE key = ?", (key,)).fetchall():
                missing += 1
    if missing:
        advice = "restore the work.sqlite of this folder; without it, a restart pays for these answers again"
        report.error(layout.WORK_LOG, f"the answers of {missing:,} of {count:,} questions are missing", advice)
    return f"{count:,} questions"


def _requests(path: Path) -> Iterator[bytes]:
    with pq.ParquetFile(path) as file:
        if "request" not in file.schema_arrow.names:
            raise CheckSkipped("the questions were written by an older version, which stored no request keys")
        for batch in file.iter_batches(columns=["request"]):
            yield from (bytes.fromhex(key) for key in batch.column(0).to_pylist() if key)


def _count(connection: sqlite3.Connection, table: str, condition: str) -> int:
    (count,) = connection.execute(f"SELECT COUNT(*) FROM {table} WHERE {condition}").fetchone()
    return int(count)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
