"""Each check sees its damage: a copy of a sound folder is broken in one place."""

import shutil
import sqlite3

import numpy as np
import pyarrow.parquet as pq
import pytest

from in2_plugin.dataset.tables import CONVERSATIONS, EXAMPLES, QUESTIONS, REJECTED
from in2_plugin.errors import DatasetError
from in2_plugin.inspection.doctor.run import CHECKS, examine
from in2_plugin.inspection.report import KEPT, Report
from tests.support import damages
from tests.support.damages import arrow, cut, example, integers, keys, overwrite, question, rows, sql, text, turn, whole


def test_a_sound_folder(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    examination = examine(folder)
    assert examination.findings == examination.left_out == []
    assert len(examination.done) == len(CHECKS) == 17
    assert dict(examination.done)["examples"] == "60 examples"
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def remove(name: str):
    return lambda folder: (folder / name).unlink()


def put(at: int, value: object):
    return lambda values: values.__setitem__(at, value)


NO_TURNS = {"source": "chats.jsonl:1", "turns": []}
DAMAGES = [
    (text("build.json", '"seed"', '"sede"'), "build file", "unknown key `sede`"),
    (cut("build.json", 0.5), "build file", "cannot be read"),
    (remove("questions.parquet"), "stages", "questions.parquet is not"),
    (cut("segments/segments.arrow", 0.7), "segment files", "cannot be read"),
    (remove("segments/ids.bin"), "segment files", "ids.bin is not there"),
    (damages.arrow_offset, "segment files", "is damaged"),
    (arrow("segments", "text", put(7, None)), "segment files", "empty places"),
    (text("segments/store.json", '"id_type"', '"di_type"'), "segment files", "unexpected keyword argument 'di_type'"),
    (text("segments/store.json", '"segments": 1', '"segments": 2'), "segments", "and store.json says"),
    (arrow("segments", "text", put(7, "")), "segments", "row 7 text and place do not agree"),
    (arrow("segments", "start", put(7, 99_999)), "segments", "row 7 text and place do not agree"),
    (arrow("segments", "standing", put(7, 9)), "segments", "row 7 has an unknown standing"),
    (cut("segments/ids.bin", 0.9), "token ids", "does not cover ids.bin"),
    (cut("segments/offsets.bin", 0.5), "token ids", "does not cover ids.bin"),
    (lambda folder: (folder / "segments/offsets.bin").open("ab").write(b"abc"), "token ids", "does not cover ids.bin"),
    (integers("offsets.bin", put(5, 1)), "token ids", "not as many as the table says"),
    (text("segments/store.json", '"tokens": 3', '"tokens": 4'), "token ids", "tokens for 3"),
    (text("segments/store.json", '"documents": 4', '"documents": 5'), "documents", "and store.json says"),
    (arrow("documents", "first_segment", put(5, 0)), "documents", "row 5 does not begin where"),
    (arrow("documents", "n_segments", put(5, 2**32 - 1)), "documents", "does not cover the segments"),
    (arrow("segments", "document", put(0, 1)), "segments", "document.bin, row 0 is not what segments.arrow says"),
    (integers("document.bin", put(0, 1), np.uint32), "documents", "does not cover the segments"),
    (integers("n_tokens.bin", put(5, 1), np.uint32), "segments", "n_tokens.bin, row 5 is not what segments.arrow says"),
    (cut("segments/standing.bin", 0.5), "segments", "is missing or damaged"),
    (cut("questions.parquet", 0.6), "questions", "cannot be read"),
    (question(kind="riddle"), "questions", "unknown kind riddle"),
    (question(answer="  "), "questions", "no question or no answer"),
    (question(answer=None), "questions", "row 3 has no `answer`"),
    (question(gold=[0, 1]), "questions", "gold that is not among"),
    (question(segment_ids=[4_000_000], gold=[4_000_000]), "questions", "does not exist"),
    (question(document=lambda row: row["document"] + 1), "questions", "another document"),
    (question(kind="integration"), "questions", "fewer than two segments"),
    (lambda folder: rows(folder, "questions", QUESTIONS, lambda c: [*c, c[3]]), "questions", "row 60 was asked before"),
    (cut("rejected.parquet", 0.5), "rejections", "cannot be read"),
    (lambda folder: rows(folder, "rejected", REJECTED, lambda c: [{"reason": ""}]), "rejections", "has no reason"),
    (overwrite("examples.parquet", 200, b"\xff" * 2_000), "examples", "cannot be read"),
    (example(n_tokens=511), "examples", "shorter or longer"),
    (turn(question="Who?"), "examples", "not in questions.parquet"),
    (turn(answer="Something else entirely."), "examples", "not in questions.parquet"),
    (example(turns=None), "examples", "row 3 has no `turns`"),
    (example(turns=[]), "examples", "has no turn"),
    (turn(answer=None), "examples", "row 3 has no `answer`"),
    (example(part="tale"), "examples", "the unknown part tale"),
    (example(part="short_context"), "examples", "another part than its question"),
    (lambda folder: rows(folder, "examples", EXAMPLES, lambda c: c[:-2]), "examples", "lacks the examples of 2"),
    (lambda folder: rows(folder, "examples", EXAMPLES, lambda c: [*c, c[3]]), "examples", "row 60 is a second example"),
    (example(segment_ids=lambda row: [*row["segment_ids"], row["segment_ids"][0]]), "examples", "a segment twice"),
    (example(segment_ids=[4_000_000]), "examples", "does not exist"),
    (example(segment_ids=damages.fillers), "examples", "lacks a segment"),
    (turn(document=lambda row: row["document"] + 1), "examples", "another document than its question"),
    (damages.filler_of_its_document, "examples", "a filler from the document of its question"),
    (damages.unusable_filler, "examples", "a filler that may not be used"),
    (damages.leak, "examples", "holds what its question quotes"),
    (turn(gold=[]), "examples", "marks other segments"),
    (turn(gold=lambda row: [{**s, "stop": 10**6} for s in row["gold"]]), "examples", "outside the context"),
    (turn(gold=lambda row: [{**s, "stop": s["start"]} for s in row["gold"]]), "examples", "are empty"),
    (damages.spans_the_other_way_round, "examples", "out of order"),
    (damages.spans_the_other_way_round, "examples", "another order than its segments"),
    (turn(n_answer_tokens=0), "examples", "no answer tokens"),
    (example(n_answer_tokens=1), "examples", "another number of answer tokens than its turns"),
    (lambda folder: rows(folder, "instructions", CONVERSATIONS, lambda c: [NO_TURNS]), "instructions", "no turn"),
    (cut("instructions.parquet", 0.5), "instructions", "cannot be read"),
    (cut("segments/exclusions.parquet", 0.5), "screening", "cannot be read"),
    (example(n_tokens=600), "plans", "other examples than examples.parquet"),
    (cut("plans/lengths.bin", 0.5), "plans", "lengths.bin: is missing or damaged"),
    (cut("plans/examples.bin", 0.9), "plans", "examples.bin: is missing or damaged"),
    (text("plans/facts.json", '"made_of"', '"of"'), "plans", "it has no 'made_of'"),
    (integers("../plans/lengths.bin", put(3, 7), np.uint32), "plans", "example 3 is of another length"),
    (integers("../plans/segments.bin", put(0, 7), np.uint32), "plans", "example 0 names other segments"),
    (integers("../plans/answers.bin", put(1, 7), np.uint32), "plans", "example 0 has other answers"),
    (text("manifest.json", '"examples": 60', '"examples": 61'), "manifest", "counts examples: 61, and there are 60"),
    (keys("manifest.json", examples=5), "manifest", "says examples: 5, and it is 60"),
    (keys("manifest.json", longest=1), "manifest", "says longest: 1"),
    (keys("manifest.json", template="film"), "manifest", "says template: film"),
    (keys("manifest.json", tokenizer_fingerprint="x"), "manifest", "says tokenizer_fingerprint: x"),
    (cut("manifest.json", 0.9), "manifest", "damaged"),
    (text("README.md", "build-", "build-00"), "dataset card", "digest"),
    (example(n_tokens=lambda row: row["n_tokens"] - 1), "rendering", "another length than planned"),
    (
        turn(gold=lambda row: [{**s, "stop": s["stop"] - 1} for s in row["gold"]]),
        "rendering",
        "golds elsewhere than planned",
    ),
    (damages.other_id, "rendering", "other ids than their text"),
    (integers("../plans/tails.bin", put(0, 9), np.uint16), "rendering", "gives trainers other ids or labels"),
    (sql("UPDATE facts SET value = '9' WHERE name = 'version'"), "work log", "of version 9"),
    (overwrite("work.sqlite", 4_096 + 8, b"\xff" * 3_000), "work log", "work.sqlite"),
    (sql("UPDATE answers SET finish = ''"), "work log", "not whole"),
    (sql("DROP TABLE batches"), "work log", "no such table"),
    (whole("work.sqlite", "no database" * 50), "work log", "not a database"),
    (sql("DELETE FROM answers WHERE purpose = 'integration'"), "answers of questions", "of 60 questions"),
    (question(request="no key"), "answers of questions", "cannot be read"),
]


@pytest.mark.parametrize(("damage", "check", "said"), DAMAGES)
def test_damage_is_found_by_name(request, damage, check, said):
    folder = request.getfixturevalue("folder" if check == "rendering" else "unrendered")
    damage(folder)
    examination = examine(folder)
    assert check in examination.wrong
    assert not examination.is_sound
    found = [finding for finding in examination.findings if finding.check == check]
    assert any(said in f"{finding.where} {finding.what}" for finding in found), examination.findings
    assert all(finding.advice and "\n" not in finding.what for finding in found)


def test_the_damages_are_of_every_check():
    assert {check for _, check, _ in DAMAGES} == {check.about for check in CHECKS}


def test_advice_for_a_damaged_log_is_never_to_throw_it_away(folder):
    (folder / "work.sqlite").write_bytes(b"")
    found = [finding for finding in examine(folder).findings if finding.where.startswith("work.sqlite")]
    assert found
    assert all("do not delete it" in finding.advice for finding in found)


def test_a_half_built_folder_is_not_wrong(folder):
    for name in ("manifest.json", "README.md", "examples.parquet", "plans/facts.json"):
        (folder / name).unlink()
    (folder / "examples.parquet.part").write_text("half")
    examination = examine(folder)
    assert examination.is_sound
    assert ("examples", "examples.parquet is not there") in examination.left_out
    (note,) = examination.findings
    assert (note.where, note.is_wrong) == ("examples.parquet.part", False)


def test_what_a_preview_leaves_is_not_wrong(sound, tmp_path):
    shutil.copy(sound / "work.sqlite", tmp_path)
    examination = examine(tmp_path)
    assert examination.is_sound
    assert [about for about, _ in examination.done] == ["stages", "work log"]
    assert len(examination.done) + len(examination.left_out) == len(CHECKS)


def test_a_tokenizer_that_is_not_here_is_said(unrendered):
    examination = examine(unrendered)
    assert examination.is_sound
    ((about, why),) = examination.left_out
    assert about == "rendering"
    assert "no such folder" in why


def test_questions_without_keys_are_of_an_older_version(folder):
    damages.without_column("questions", "request")(folder)
    examination = examine(folder)
    assert examination.is_sound
    ((about, why),) = examination.left_out
    assert (about, "older version" in why) == ("answers of questions", True)


NOTES = [
    ("INSERT INTO batches VALUES ('d', 'b', 'open', x'', 0)", "batches that are open with the server: 1"),
    ("UPDATE answers SET text = '' WHERE key IN (SELECT key FROM answers LIMIT 7)", "answers without any text: 7"),
]


@pytest.mark.parametrize(("statement", "said"), NOTES)
def test_what_is_worth_knowing_is_a_note(folder, statement, said):
    sql(statement)(folder)
    examination = examine(folder)
    assert examination.is_sound
    assert [finding.what for finding in examination.findings] == [said]


def test_many_findings_of_one_sort_are_counted():
    report = Report("x")
    for i in range(100):
        report.wrong(f"row {i}", "is bad", "mend it")
    assert len(report.findings) == KEPT
    assert report.findings[-1].what == "and 96 more findings of this check"


def test_folders_of_nothing(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        examine(tmp_path / "nothing")
    with pytest.raises(DatasetError, match="not a dataset folder of `in2 build`"):
        examine(tmp_path)


def test_every_row_group_is_read(folder):
    """Damage in the second row group only."""

    def many(content):
        return [{**row, "question": f"{row['question']} {i}"} for i, row in enumerate(content * 30)]

    rows(folder, "questions", QUESTIONS, many)
    path = folder / "questions.parquet"
    assert pq.ParquetFile(path).num_row_groups == 2
    at = pq.ParquetFile(path).metadata.row_group(1).column(2).data_page_offset
    overwrite("questions.parquet", at, b"\xff" * 200)(folder)
    found = [finding for finding in examine(folder).findings if finding.check == "questions"]
    assert any("cannot be read" in finding.what for finding in found)


def test_a_log_that_another_process_writes_is_read(folder):
    connection = sqlite3.connect(folder / "work.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE facts SET value = 'x'")
    assert examine(folder).is_sound
    connection.close()
