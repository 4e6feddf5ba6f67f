"""Each check sees its damage: a copy of a sound folder is broken in one place."""

import json
import os
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from builds import Quiet, endpoint_config
from fault_server import FaultServer

from in2_plugin.building import build_dataset
from in2_plugin.contexts.tables import EXAMPLES, QUESTIONS, read_rows, write_rows
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.errors import DatasetError
from in2_plugin.inspection.doctor import CHECKS, examine
from in2_plugin.inspection.finding import KEPT, Report


@pytest.fixture(scope="module")
def sound(tmp_path_factory, mistral_folder):
    folder = tmp_path_factory.mktemp("sound") / "in2"
    with FaultServer() as server:
        mixture = {"fine_grained": 40, "integration": 20}
        build_dataset(endpoint_config(folder, mistral_folder, server.base_url, mixture=mixture), Quiet())
    return folder


@pytest.fixture
def folder(sound, tmp_path):
    """A copy that a test may break."""
    return Path(shutil.copytree(sound, tmp_path / "in2"))


def files(folder: Path) -> dict[str, tuple[int, int]]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in found}


def test_a_sound_folder(folder):
    before = files(folder)
    examination = examine(folder)
    assert examination.findings == examination.left_out == []
    assert len(examination.done) == len(CHECKS) == 13
    assert dict(examination.done)["examples"] == "60 examples"
    assert files(folder) == before


def rows(folder: Path, table: str, schema, change) -> None:
    """Rewrite a table with its row number 3 changed, or with whatever `change` makes of all rows."""
    path = folder / f"{table}.parquet"
    content = list(read_rows(path))
    content = change(content) or content
    write_rows(path, content, schema)


def question(**changes):
    def change(content):
        content[3] |= {name: value(content[3]) if callable(value) else value for name, value in changes.items()}

    return lambda folder: rows(folder, "questions", QUESTIONS, change)


def example(**changes):
    def change(content):
        content[3] |= {name: value(content[3]) if callable(value) else value for name, value in changes.items()}

    return lambda folder: rows(folder, "examples", EXAMPLES, change)


def text(name: str, old: str, new: str):
    def change(folder: Path) -> None:
        path = folder / name
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new, 1))

    return change


def cut(name: str, to: float):
    return lambda folder: os.truncate(folder / name, int((folder / name).stat().st_size * to))


def overwrite(name: str, at: int, content: bytes):
    def change(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.seek(at)
            file.write(content)

    return change


def sql(statement: str):
    def change(folder: Path) -> None:
        connection = sqlite3.connect(folder / "work.sqlite")
        connection.execute(statement)
        connection.commit()
        connection.close()

    return change


def without_gold(row) -> list[int]:
    gold = {span["segment_id"] for span in row["gold"]}
    return [i for i in row["segment_ids"] if i not in gold]


def leak(folder: Path) -> None:
    """Make a question quote what stands in a filler of its example."""
    row = next(read_rows(folder / "examples.parquet"))
    filler = without_gold(row)[0]
    said = SegmentStore(folder / "segments").text(filler)[:20].upper()

    def change(content):
        for asked in content:
            if asked["question"] == row["question"]:
                asked["exclusive"] = [said]

    rows(folder, "questions", QUESTIONS, change)


def swap_segments(folder: Path) -> None:
    """Offsets that are in order, and not those of the table."""
    offsets = np.fromfile(folder / "segments/offsets.bin", np.int64)
    offsets[5] += 1
    offsets.tofile(folder / "segments/offsets.bin")


def drop_examples(folder: Path) -> None:
    rows(folder, "examples", EXAMPLES, lambda content: content[:-2])


DAMAGES = [
    (text("build.json", '"seed"', '"sede"'), "build file", "unknown key `sede`"),
    (cut("build.json", 0.5), "build file", "cannot be read"),
    (lambda folder: (folder / "questions.parquet").unlink(), "stages", "questions.parquet is not"),
    (text("manifest.json", '"examples": 60', '"examples": 61'), "manifest", "says examples: 61, and there are 60"),
    (text("manifest.json", '"longest": ', '"longest": 1'), "manifest", "says longest"),
    (cut("manifest.json", 0.9), "manifest", "damaged"),
    (text("README.md", "build-", "build-00"), "dataset card", "digest"),
    (cut("segments/segments.arrow", 0.7), "segments", "cannot be read"),
    (text("segments/store.json", '"segments": 1', '"segments": 2'), "segments", "and store.json says"),
    (cut("segments/ids.bin", 0.9), "token ids", "does not cover ids.bin"),
    (cut("segments/offsets.bin", 0.5), "token ids", "does not cover ids.bin"),
    (swap_segments, "token ids", "not as many as the table says"),
    (text("segments/store.json", '"documents": 4', '"documents": 5'), "documents", "and store.json says"),
    (cut("questions.parquet", 0.6), "questions", "cannot be read"),
    (question(kind="riddle"), "questions", "unknown kind riddle"),
    (question(answer="  "), "questions", "no question or no answer"),
    (question(gold=[0, 1]), "questions", "gold that is not among"),
    (question(segment_ids=[4_000_000], gold=[4_000_000]), "questions", "does not exist"),
    (question(document=lambda row: row["document"] + 1), "questions", "another document"),
    (question(kind="integration"), "questions", "fewer than two segments"),
    (lambda folder: rows(folder, "questions", QUESTIONS, lambda c: [*c, c[3]]), "questions", "asked before"),
    (cut("rejected.parquet", 0.5), "rejections", "cannot be read"),
    (overwrite("examples.parquet", 200, b"\xff" * 2_000), "examples", "cannot be read"),
    (example(n_tokens=511), "examples", "shorter or longer"),
    (example(question="Who?"), "examples", "not in questions.parquet"),
    (drop_examples, "examples", "58 examples for 60 questions"),
    (example(segment_ids=lambda row: [*row["segment_ids"], row["segment_ids"][0]]), "examples", "twice"),
    (example(segment_ids=without_gold), "examples", "lacks a segment"),
    (example(gold=[]), "examples", "marks other segments"),
    (example(gold=lambda row: [{**span, "stop": 10**6} for span in row["gold"]]), "examples", "outside the context"),
    (leak, "examples", "holds what its question quotes"),
    (example(answer="Something else entirely."), "rendering", "an example planned with"),
    (sql("UPDATE facts SET value = '9' WHERE name = 'version'"), "work log", "of version 9"),
    (overwrite("work.sqlite", 4_096 + 8, b"\xff" * 3_000), "work log", "work.sqlite"),
    (sql("UPDATE answers SET finish = ''"), "work log", "not whole"),
    (lambda folder: (folder / "work.sqlite").write_text("no database" * 50), "work log", "not a database"),
    (sql("DELETE FROM answers WHERE purpose = 'integration'"), "answers of questions", "of 60 questions"),
]


@pytest.mark.parametrize(("damage", "check", "said"), DAMAGES)
def test_damage_is_found_by_name(folder, damage, check, said):
    damage(folder)
    examination = examine(folder)
    assert not examination.is_sound
    found = [finding for finding in examination.findings if finding.check == check]
    assert any(said in f"{finding.where} {finding.what}" for finding in found), examination.findings
    assert all(finding.advice and "\n" not in finding.what for finding in found)


def test_fillers_of_the_same_document_are_found(folder):
    store = SegmentStore(folder / "segments")

    def change(content):
        row = next(row for row in content if len(store.segments_of(row["document"])) > len(row["gold"]) + 1)
        own = {span["segment_id"] for span in row["gold"]}
        row["segment_ids"] += [i for i in store.segments_of(row["document"]) if i not in own][:1]

    rows(folder, "examples", EXAMPLES, change)
    assert any("from the document of its question" in finding.what for finding in examine(folder).findings)


def test_a_half_built_folder_is_not_wrong(folder):
    for name in ("manifest.json", "README.md", "examples.parquet"):
        (folder / name).unlink()
    (folder / "examples.parquet.part").write_text("half")
    examination = examine(folder)
    assert examination.is_sound
    assert ("examples", "examples.parquet is not there") in examination.left_out
    (note,) = examination.findings
    assert (note.where, note.is_wrong) == ("examples.parquet.part", False)


def test_a_tokenizer_that_is_not_here_is_said(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "tokenizer": "/nowhere"}))
    examination = examine(folder)
    assert examination.is_sound
    ((about, why),) = examination.left_out
    assert about == "rendering"
    assert "no such folder" in why


def test_open_batches_are_a_note(folder):
    sql("INSERT INTO batches VALUES ('d', 'b', 'open', x'', 0)")(folder)
    examination = examine(folder)
    assert examination.is_sound
    assert "1 batches are open" in examination.findings[0].what


def test_many_findings_of_one_sort_are_counted():
    report = Report("x")
    for i in range(100):
        report.wrong(f"row {i}", "is bad", "mend it")
    assert len(report.findings) == KEPT
    assert report.findings[-1].what == "and 96 more findings of this check"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DatasetError, match="there is no folder"):
        examine(tmp_path / "nothing")


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
