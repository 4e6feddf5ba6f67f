"""Written probes: complete, in order, all or nothing."""

import json
from pathlib import Path

import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.offline import write
from in2_plugin.probing.offline.sources import OfflineProbe, OfflineQuestion
from in2_plugin.probing.offline.write import Form, write_probe


def probe(sets: int = 2, questions: int = 3, template: str = "plain", **facts: object) -> OfflineProbe:
    """A probe with short prompts."""
    asked = tuple(
        OfflineQuestion(f"code-{index}-{place}", index, place, {"id": f"code-{index}-{place}", "completion": "f"})
        for index in range(sets)
        for place in range(questions)
    )
    known = {"task": "code", "seed": 0, "version": "1", **facts}
    return OfflineProbe(template, known, asked, lambda index, place: f"context {index} é\nquestion {place}")


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_prompts_golds_and_facts(tmp_path):
    written = write_probe(probe(), tmp_path / "new/out", Form.PROMPTS)
    assert written == write.WrittenProbe(tmp_path / "new/out", ("prompts.jsonl",), 6, is_new=True)
    assert {path.name for path in written.folder.iterdir()} == {"prompts.jsonl", "gold.jsonl", "probe.json"}
    rows = lines(written.folder / "prompts.jsonl")
    assert rows[1] == {"id": "code-0-1", "set_id": 0, "position_id": 1, "prompt": "context 0 é\nquestion 1"}
    assert [row["set_id"] for row in rows] == [0, 0, 0, 1, 1, 1]
    assert [row["id"] for row in rows] == [row["id"] for row in lines(written.folder / "gold.jsonl")]
    facts = json.loads((written.folder / "probe.json").read_text())
    assert (facts["task"], facts["questions"], facts["max_tokens"], facts["form"]) == ("code", 6, 128, "prompts")


def test_messages(tmp_path):
    written = write_probe(probe(), tmp_path / "out", Form.MESSAGES)
    assert lines(written.folder / "messages.jsonl")[0]["messages"] == [
        {"role": "user", "content": "context 0 é\nquestion 0"}
    ]


def test_batch_requests(tmp_path):
    written = write_probe(probe(), tmp_path / "out", Form.BATCH, "gpt-x")
    assert written.files == ("batch-001.jsonl",)
    assert lines(written.folder / "batch-001.jsonl")[4] == {
        "custom_id": "code-1-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {
            "model": "gpt-x",
            "messages": [{"role": "user", "content": "context 1 é\nquestion 1"}],
            "temperature": 0,
            "max_tokens": 128,
        },
    }


@pytest.mark.parametrize(("limit", "value", "counts"), [("MOST_REQUESTS", 4, [4, 2]), ("MOST_BYTES", 500, [2, 2, 2])])
def test_batches_keep_to_the_limits_of_the_interface(tmp_path, monkeypatch, limit, value, counts):
    monkeypatch.setattr(write, limit, value)
    written = write_probe(probe(), tmp_path / "out", Form.BATCH, "gpt-x")
    found = [lines(written.folder / name) for name in written.files]
    assert [len(rows) for rows in found] == counts
    assert [row["custom_id"] for rows in found for row in rows] == [question.id for question in probe().questions]
    if limit == "MOST_BYTES":
        assert max((written.folder / name).stat().st_size for name in written.files) <= value


def test_the_same_probe_again_is_left_alone(tmp_path):
    written = write_probe(probe(), tmp_path / "out", Form.PROMPTS)
    before = (written.folder / "prompts.jsonl").stat().st_mtime_ns
    again = write_probe(probe(version="2"), tmp_path / "out", Form.PROMPTS)
    assert not again.is_new and (again.files, again.questions) == (written.files, 6)
    assert (written.folder / "prompts.jsonl").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("other", "form", "message"),
    [
        (probe(seed=1), Form.PROMPTS, "has a probe with other seed; give another folder"),
        (probe(questions=4), Form.PROMPTS, "has a probe with other questions;"),
        (probe(), Form.MESSAGES, "has a probe with other form, first_row;"),
    ],
)
def test_another_probe_is_not_overwritten(tmp_path, other, form, message):
    written = write_probe(probe(), tmp_path / "out", Form.PROMPTS)
    with pytest.raises(ProbeError, match=message):
        write_probe(other, tmp_path / "out", form)
    assert len(lines(written.folder / "prompts.jsonl")) == 6


def test_a_damaged_folder_is_not_taken_for_the_same_probe(tmp_path):
    written = write_probe(probe(), tmp_path / "out", Form.PROMPTS)
    (written.folder / "gold.jsonl").unlink()
    with pytest.raises(ProbeError, match=r"gold\.jsonl of this probe is missing; remove the folder and write it again"):
        write_probe(probe(), tmp_path / "out", Form.PROMPTS)


def test_other_files_are_not_touched(tmp_path):
    (tmp_path / "out").mkdir()
    write_probe(probe(), tmp_path / "out", Form.PROMPTS)  # an empty folder is free
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "out2.part").mkdir()
    (tmp_path / "out2.part" / "thesis.tex").write_text("x")
    for name, message in (
        ("mine", "has other files"),
        ("file", "has other files"),
        ("out2", "was not written by `in2 val write`"),
    ):
        with pytest.raises(ProbeError, match=message):
            write_probe(probe(), tmp_path / name, Form.PROMPTS)
    assert len(list(tmp_path.rglob("thesis.tex"))) == 2


def test_a_run_that_fails_leaves_nothing_and_a_killed_one_is_cleared_away(tmp_path):
    def prompt(index: int, place: int) -> str:
        if (index, place) == (1, 1):
            raise RuntimeError("killed")
        return "text"

    good = probe()
    broken = OfflineProbe(good.template, good.facts, good.questions, prompt)
    with pytest.raises(RuntimeError, match="killed"):
        write_probe(broken, tmp_path / "out", Form.PROMPTS)
    assert list(tmp_path.iterdir()) == []
    part = tmp_path / "out.part"
    part.mkdir()
    (part / "prompts.jsonl.part").write_text("half a ")
    assert write_probe(good, tmp_path / "out", Form.PROMPTS).is_new and not part.exists()


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ProbeError, match=r"file/out: cannot be written \(Not a directory\); give another folder"):
        write_probe(probe(), tmp_path / "file/out", Form.PROMPTS)


@pytest.mark.parametrize("template", ["film", "chat"])
@pytest.mark.parametrize(("form", "model"), [(Form.MESSAGES, None), (Form.BATCH, "m")])
def test_no_turn_is_put_around_a_turn(tmp_path, template, form, model):
    with pytest.raises(ProbeError, match=f"template {template} writes the tags of a turn, and with --format {form}"):
        write_probe(probe(template=template), tmp_path / "out", form, model)


@pytest.mark.parametrize(("form", "model"), [(Form.PROMPTS, "m"), (Form.BATCH, None)])
def test_a_model_belongs_to_a_batch(tmp_path, form, model):
    with pytest.raises(ProbeError, match="--model is the model of a batch request"):
        write_probe(probe(), tmp_path / "out", form, model)
