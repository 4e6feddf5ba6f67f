"""Documents are divided by their text, and every stage and seed asks other questions."""

import json

import pytest

from benchmarks.evidence.rows import Model
from benchmarks.evidence.running import data
from benchmarks.evidence.running.folder import StudyFolder
from benchmarks.evidence.study import Texts, load_study
from tests.support.small_study import write_study


@pytest.fixture
def texts(tmp_path):
    source = tmp_path / "source.jsonl"
    numbers = [*range(200), *range(20)]
    source.write_text("".join(json.dumps({"text": f"Document {number}."}) + "\n" for number in numbers))
    return Texts(sources=(str(source),), held_out=0.25)


def lines(path):
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def test_equal_texts_are_on_one_side_and_the_share_is_about_right(tmp_path, texts):
    data.divide_documents(texts, tmp_path / "corpus")
    train, held_out = (lines(tmp_path / f"corpus/{name}.jsonl") for name in ("train", "held-out"))
    assert len(train) + len(held_out) == 220 and not set(train) & set(held_out)
    assert 30 < len(held_out) < 80


def test_the_data_of_arms_leaves_out_what_is_measured_and_shares_a_seed(tmp_path, monkeypatch):
    study = load_study(write_study(tmp_path / "study.yml"))
    folder, ran = StudyFolder(tmp_path, study, "float32", "cpu"), {}
    monkeypatch.setattr(StudyFolder, "write_config", lambda self, name, values: ran.setdefault(name, values) and name)
    monkeypatch.setattr(StudyFolder, "in2", lambda self, *command: None)
    for model in (Model("first", 1), Model("edges", 1), Model("uniform", 1), Model("uniform", 2)):
        assert data.build_training(folder, model).name == model.name
    corpora = {name: values.pop("corpus") for name, values in ran.items()}
    assert all(one["decontamination"]["against"] == ["probe", "data/held-out"] for one in corpora.values())
    assert all(one["sources"] == ["corpus/train.jsonl"] and one["segment_tokens"] == 32 for one in corpora.values())
    assert [values["seed"] for values in ran.values()] == [1_001, 2_001, 2_001, 2_002]
    assert "positions" in ran["build-edges-s1"] and "positions" not in ran["build-uniform-s1"]
