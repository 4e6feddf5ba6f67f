import sqlite3

import pytest

from in2_plugin.inspection.doctor.run import examine
from tests.support import damages
from tests.support.damages import overwrite, question, sql, whole
from tests.support.findings import assert_finding

DAMAGES = [
    (sql("UPDATE facts SET value = '9' WHERE name = 'version'"), "work log", "of version 9"),
    (overwrite("work.sqlite", 4_096 + 8, b"\xff" * 3_000), "work log", "work.sqlite"),
    (sql("UPDATE answers SET finish = ''"), "work log", "incomplete answers"),
    (sql("DROP TABLE batches"), "work log", "no such table"),
    (whole("work.sqlite", "no database" * 50), "work log", "not a database"),
    (sql("DELETE FROM answers WHERE purpose = 'integration'"), "answers of questions", "of 60 questions are missing"),
    (question(request="no key"), "answers of questions", "cannot be read"),
]


@pytest.mark.parametrize(("damage", "check", "message"), DAMAGES)
def test_damage_is_found(unrendered, damage, check, message):
    damage(unrendered)
    assert_finding(unrendered, check, message)


def test_a_damaged_log_is_never_to_be_deleted(folder):
    (folder / "work.sqlite").write_bytes(b"")
    found = [finding for finding in examine(folder).findings if finding.where.startswith("work.sqlite")]
    assert found
    assert all("do not delete it" in finding.advice for finding in found)


def test_questions_of_an_older_version_have_no_request_keys(folder):
    damages.without_column("questions", "request")(folder)
    examination = examine(folder)
    assert examination.is_sound
    ((name, reason),) = examination.skipped
    assert (name, "older version" in reason) == ("answers of questions", True)


NOTES = [
    ("INSERT INTO batches VALUES ('d', 'b', 'open', x'', 0)", "batches still open at the server: 1"),
    ("UPDATE answers SET text = '' WHERE key IN (SELECT key FROM answers LIMIT 7)", "empty answers: 7"),
]


@pytest.mark.parametrize(("statement", "note"), NOTES)
def test_harmless_states_are_notes(folder, statement, note):
    sql(statement)(folder)
    examination = examine(folder)
    assert examination.is_sound
    assert [finding.what for finding in examination.findings] == [note]


def test_a_log_is_read_while_another_process_writes_it(folder):
    connection = sqlite3.connect(folder / "work.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE facts SET value = 'x'")
    assert examine(folder).is_sound
    connection.close()
