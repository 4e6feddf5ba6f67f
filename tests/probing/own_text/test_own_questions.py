"""The user's own questions: rows of three formats, located evidence, and a sentence for each row that is left out."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from in2_plugin import layout
from in2_plugin.config.probe import ProbeConfig
from in2_plugin.corpus.screening.document_digests import read_digests
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import CorpusError, ProbeError
from in2_plugin.probing.own_text.build import build_own_probe
from in2_plugin.probing.own_text.contexts import ContextPlanner, NoRoom
from in2_plugin.probing.own_text.tables import read_probe
from tests.support.builds import Quiet
from tests.support.own_documents import GOOD, N_DOCUMENTS, write_documents

BAD = {
    "is not in any document": {"evidence": "No document says this."},
    "has no `evidence`": {"evidence": None},
    "`answer` holds float, not text": {"answer": 1.5},
    "is in docs/note-00.md and docs/note-01.md": {"evidence": "Every note ends with this line."},
    "also in 100% of the segments of other documents": {"answer": "the"},
    "asks the same question as": {"question": GOOD[1]["question"]},
    "its answer `七` is a single character, which most texts contain": {"answer": "七"},
    "its answer `。` is only punctuation": {"answers": ["Kilo", "。"]},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_documents(tmp_path / "docs")
    return tmp_path


def build(folder, mistral_folder, rows, name="q.jsonl", **changes):
    (folder / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    values = {
        "output": "probe", "tokenizer": str(mistral_folder), "workers": 1, "lengths": [1_024],
        "corpus": {"sources": ["docs"]}, "questions": {"file": name}, **changes,
    }  # fmt: skip
    said = Quiet()
    return build_own_probe(ProbeConfig.parse(values, "test"), said), said.lines


def read_rows_of(folder):
    return list(read_rows(folder / layout.REJECTED))


def test_rows_become_questions_with_their_gold(folder, mistral_folder):
    probe, _ = build(folder, mistral_folder, GOOD)
    assert [one.text for one in probe.questions] == [row["question"] for row in GOOD]
    one, other, both = probe.questions[0], probe.questions[1], probe.questions[-1]
    assert one.gold == (GOOD[0]["answer"],) and GOOD[0]["evidence"] in probe.store.text(one.segments[0])
    assert other.kind == "fine_grained" and both.kind == "integration" and len(both.segments) == 2
    assert both.gold == tuple(GOOD[-1]["answers"])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_other_formats_give_the_same_probe(folder, mistral_folder, kind):
    rows = [{name: row[name] for name in ("question", "answer", "evidence")} for row in GOOD[:-1]]
    if kind == "csv":
        with (folder / "q.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), folder / "q.parquet")
    probe, _ = build(folder, mistral_folder, [], f"q.{kind}")
    expected, _ = build(folder, mistral_folder, rows, output="jsonl")
    assert probe.facts.digest == expected.facts.digest


def test_a_csv_row_with_too_many_fields_is_named(folder, mistral_folder):
    rows = [f"{row['question']},{row['answer']},{row['evidence']}" for row in GOOD[:3]]
    lines = ["question,answer,evidence", *rows, f"Where?,By the sea, {GOOD[0]['evidence']}, and so on"]
    (folder / "q.csv").write_text("\n".join(lines))
    probe, said = build(folder, mistral_folder, [], "q.csv")
    assert len(probe.questions) == 3
    assert "q.csv:5: has more fields than the header; quote texts with commas" in said


def test_evidence_that_screening_leaves_out_is_a_bad_row(folder, mistral_folder):
    other, _ = build(folder, mistral_folder, GOOD[:2], output="other")
    corpus = {"sources": ["docs"], "decontamination": {"against": "other", "ngram": None}}
    assert len(read_digests(other.folder / layout.DOCUMENTS)) < N_DOCUMENTS
    probe, said = build(folder, mistral_folder, GOOD, corpus=corpus)
    assert 0 < len(probe.questions) < len(GOOD)
    left_out = [line for line in said if "its evidence is in a segment that screening leaves out: contaminated" in line]
    assert left_out[0].startswith("q.jsonl:1: ") and "the whole document" in left_out[0]


def test_too_many_bad_rows_end_the_build_before_documents_are_drawn(folder, mistral_folder):
    strict = {"file": {"path": "q.jsonl", "max_bad_rows": 0}}
    with pytest.raises(CorpusError, match="has no `evidence`"):
        build(folder, mistral_folder, [*GOOD, {"question": "?", "answer": "x"}], questions=strict, documents=20)
    assert len(read_rows_of(folder / "probe")) == 1
    probe, _ = build(folder, mistral_folder, GOOD, questions=strict, documents=20)
    assert len(probe.questions) == len(GOOD)


def test_a_draw_for_other_questions_is_refused(folder, mistral_folder):
    probe, _ = build(folder, mistral_folder, GOOD[:3], documents=20)
    (probe.folder / layout.PROBE).unlink()
    with pytest.raises(ProbeError, match="were drawn for other questions; run `in2 probe build --restart`"):
        build(folder, mistral_folder, GOOD, documents=20)


def test_each_bad_row_is_named_left_out_and_kept(folder, mistral_folder):
    rows = [*GOOD, *({**GOOD[0], "question": f"Question {i}?", **change} for i, change in enumerate(BAD.values()))]
    probe, lines = build(folder, mistral_folder, rows)
    assert len(probe.questions) == len(GOOD)
    reasons = [row["reason"] for row in read_rows(folder / "probe" / layout.REJECTED)]
    for number, reason in enumerate(BAD, start=len(GOOD) + 1):
        (line,) = [line for line in lines if line.startswith(f"q.jsonl:{number}: ")]
        assert reason in line and line in reasons
    assert f"{len(BAD)} of {len(rows)} rows are left out" in lines


def test_no_bad_row_is_accepted_when_the_file_says_so(folder, mistral_folder):
    strict = {"file": {"path": "q.jsonl", "max_bad_rows": 0}}
    with pytest.raises(CorpusError, match=r"q.jsonl:\d+: has no `evidence`.*1 of .* rows"):
        build(folder, mistral_folder, [*GOOD, {"question": "?", "answer": "x"}], questions=strict)


def test_a_file_without_one_usable_row(folder, mistral_folder):
    with pytest.raises(ProbeError, match=r"1 row that cannot be used.*at least one question"):
        build(folder, mistral_folder, [{"question": "?", "answer": "x"}])


def test_white_space_is_normalized_and_that_is_said(folder, mistral_folder):
    row = {**GOOD[0], "evidence": GOOD[0]["evidence"].upper().replace(" ", "\n")}
    _, lines = build(folder, mistral_folder, [row, *GOOD[1:]])
    assert "the evidence of 1 rows was found when case and white space were ignored" in lines


def test_a_row_without_room_is_a_bad_row(folder, mistral_folder, monkeypatch):
    plan = ContextPlanner.plan

    def without_room(self, questions, lengths):
        if len(questions) == 11:
            raise NoRoom(questions[2], "too few segments; raise `lengths`")
        return plan(self, questions, lengths)

    monkeypatch.setattr(ContextPlanner, "plan", without_room)
    rows = [*GOOD, *({**GOOD[i], "question": f"Who is at {i}?"} for i in (0, 1))]
    probe, _ = build(folder, mistral_folder, rows)
    assert len(probe.questions) == 10
    assert [row["reason"] for row in read_rows_of(probe.folder)] == ["q.jsonl:3: too few segments"]
    strict = {"file": {"path": "q.jsonl", "max_bad_rows": 0}}
    with pytest.raises(CorpusError, match=r"q\.jsonl:3: too few segments; 1 of 11 rows"):
        build(folder, mistral_folder, rows, questions=strict, output="strict")


def test_an_answer_in_other_documents_keeps_their_segments_out(folder, mistral_folder):
    row = {**GOOD[0], "answer": "lighthouse"}
    probe, lines = build(folder, mistral_folder, [row, *GOOD[1:]])
    (line,) = [line for line in lines if "are also in other documents" in line]
    assert "most often that of q.jsonl:1" in line
    (gold,) = probe.questions[0].segments
    for context in (one for one in probe.contexts if any(asked.question == 0 for asked in one.asked)):
        assert not any("lighthouse" in probe.store.text(i) for i in context.segment_ids if i != gold)


def test_a_changed_file_is_refused(folder, mistral_folder):
    build(folder, mistral_folder, GOOD)
    with pytest.raises(ProbeError, match=r"q\.jsonl has changed since this probe was built"):
        build(folder, mistral_folder, GOOD[:-1])
    assert read_probe(folder / "probe").facts.counts["questions"] == len(GOOD)
