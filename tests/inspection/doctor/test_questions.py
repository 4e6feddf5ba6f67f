import pyarrow.parquet as pq
import pytest

from in2_plugin.dataset.tables import CONVERSATIONS, QUESTIONS, REJECTED
from in2_plugin.inspection.doctor.run import examine
from tests.support.damages import cut, overwrite, question, rows
from tests.support.findings import assert_finding

NO_TURNS = {"source": "chats.jsonl:1", "turns": []}
DAMAGES = [
    (cut("questions.parquet", 0.6), "questions", "cannot be read"),
    (question(kind="riddle"), "questions", "unknown kind `riddle`"),
    (question(answer="  "), "questions", "question or answer is empty"),
    (question(answer=None), "questions", "row 3 `answer` is missing"),
    (question(gold=[0, 1]), "questions", "gold segments are not among"),
    (question(segment_ids=[4_000_000], gold=[4_000_000]), "questions", "does not exist"),
    (question(document=lambda row: row["document"] + 1), "questions", "belong to another document"),
    (question(kind="integration"), "questions", "fewer than two segments"),
    (
        lambda folder: rows(folder, "questions", QUESTIONS, lambda c: [*c, c[3]]),
        "questions",
        "row 60 duplicates",
    ),
    (cut("rejected.parquet", 0.5), "rejections", "cannot be read"),
    (lambda folder: rows(folder, "rejected", REJECTED, lambda c: [{"reason": ""}]), "rejections", "has no reason"),
    (lambda folder: rows(folder, "instructions", CONVERSATIONS, lambda c: [NO_TURNS]), "instructions", "has no turns"),
    (cut("instructions.parquet", 0.5), "instructions", "cannot be read"),
]


@pytest.mark.parametrize(("damage", "check", "message"), DAMAGES)
def test_damage_is_found(unrendered, damage, check, message):
    damage(unrendered)
    assert_finding(unrendered, check, message)


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
