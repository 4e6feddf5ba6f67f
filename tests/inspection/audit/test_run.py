"""Whole audits of good datasets, and of folders that cannot be audited. The broken ones: test_audit_broken.py."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from in2_plugin.dataset.tables import QUESTIONS, read_rows
from in2_plugin.errors import DatasetError, FolderBusy, TokenizerError
from in2_plugin.inspection.audit.run import audit_folder
from in2_plugin.io.lock import folder_lock
from in2_plugin.pipeline.build import build_dataset
from tests.support import damages
from tests.support.audits import audited, long_ones
from tests.support.builds import Quiet, small_config


@pytest.fixture
def copy(built, tmp_path) -> Path:
    """A copy of a good dataset that a test may break."""
    return Path(shutil.copytree(built, tmp_path / "in2"))


def test_a_good_dataset_passes_and_the_same_one_gives_the_same_bytes(built, mistral, copy):
    found = audited(copy, mistral)
    assert found.failing == []
    assert len(found.figures) > 35
    for name in ("audit.json", "report.html"):
        assert (copy / name).read_bytes() == (built / name).read_bytes()
    assert json.loads((copy / "audit.json").read_text()) == found.as_json()


def test_the_data_of_a_page_come_from_the_dataset(built):
    data = json.loads((built / "audit.json").read_text())["data"]
    rows = list(read_rows(built / "examples.parquet"))
    golds = sum(len(turn["gold"]) for row in long_ones(rows) for turn in row["turns"])
    assert sum(map(sum, data["depth_by_length"]["counts"])) == sum(data["depth"]["counts"]) == golds
    assert sum(data["length"]["counts"]) == len(long_ones(rows)) == 100
    assert sum(data["answer_tokens"]["counts"]) == data["examples"] == len(rows)
    assert {part["part"]: part["have"] for part in data["parts"]} == {
        "fine_grained": 70, "integration": 30, "short_context": 30, "general": 0,
    }  # fmt: skip
    assert data["segments"]["in_use"] == len({i for row in rows for i in row["segment_ids"]})


# -- the folder


def test_a_folder_is_audited_by_its_own_build_file(copy):
    assert audit_folder(copy).passed


def test_bounds_are_those_of_the_build_file(copy, mistral):
    bounds = {"answer_tokens": [3, 20], "sample": 10}
    found = audited(copy, mistral, audit=bounds)
    assert {figure.name for figure in found.failing} == {"shortest answer", "longest answer"}
    details = {figure.name: figure.detail for figure in found.figures}
    assert details["sampled masks that are not the answers"] == "10 examples"


def test_an_unfinished_folder_can_beaudited(copy, mistral):
    for name in ("manifest.json", "README.md", "audit.json", "report.html"):
        (copy / name).unlink()
    assert audited(copy, mistral).passed


@pytest.mark.parametrize("name", ["build.json", "segments/store.json", "questions.parquet", "examples.parquet"])
def test_a_folder_without_examples_says_what_to_do(copy, name):
    (copy / name).unlink()
    with pytest.raises(DatasetError, match=f"has no {name}, so there is nothing to audit yet; run `in2 build`"):
        audit_folder(copy)


def test_a_folder_of_nothing_is_one_sentence(tmp_path):
    with pytest.raises(DatasetError, match="holds nothing of `in2 build`"):
        audit_folder(tmp_path)


def test_a_folder_that_is_worked_on_is_left_alone(copy):
    with folder_lock(copy), pytest.raises(FolderBusy, match="is being worked on by process"):
        audit_folder(copy)


def test_a_tokenizer_that_is_not_there_is_one_sentence(copy):
    with pytest.raises(TokenizerError, match="there is no such folder"):
        audit_folder(copy, "/nowhere")


@pytest.mark.parametrize(
    "damage",
    [
        damages.cut("examples.parquet", 0.5),
        damages.cut("questions.parquet", 0.5),
        damages.overwrite("examples.parquet", 2_000, b"nothing of the sort" * 20),
        damages.without_column("examples", "turns"),
        damages.without_column("questions", "exclusive"),
        damages.example(n_tokens=None),
        damages.turn(question=None),
        damages.whole("segments/exclusions.json", "["),
        damages.whole("segments/store.json", "[]"),
        damages.whole("build.json", "{"),
        damages.cut("segments/offsets.bin", 0.5),
        damages.cut("segments/ids.bin", 0.5),
        damages.arrow_offset,
    ],
)
def test_a_damaged_file_is_one_sentence_or_a_figure(copy, damage):
    damage(copy)
    try:
        found = audit_folder(copy)
    except DatasetError as error:
        assert str(error).startswith(str(copy))
        assert "\n" not in str(error)
    else:
        assert not found.passed


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"questions_per_context": 4, "positions": "shuffle"},
        {"positions": "edges"},
        {"positions": {"strategy": "histogram", "weights": [1, 2, 3]}, "template": "film"},
        {"corpus": {"sources": [{"path": "bundled:python-docs", "limit": 400}],
                    "near_duplicates": {"threshold": None}, "decontamination": {"ngram": None}}},
        {"mixture": {"fine_grained": 4, "integration": 400, "short_context": 30, "shortfall": "rescale"}},
        {"mixture": {"fine_grained": 0, "integration": 0, "short_context": 10}},
    ],
    ids=["several turns", "edges", "film", "no screening", "rescaled", "short alone"],
)  # fmt: skip
def test_every_kind_of_build_passes(tmp_path, mistral_folder, changes):
    build_dataset(small_config(tmp_path / "in2", mistral_folder, **changes), Quiet())
    assert json.loads((tmp_path / "in2/audit.json").read_text())["passed"]


@pytest.mark.slow
def test_conversations_pass(tmp_path, mistral_folder):
    chats = tmp_path / "chats.jsonl"
    chats.write_text(
        "".join(json.dumps({"instruction": f"Say {n}.", "output": f"{n} it is."}) + "\n" for n in range(50))
    )
    mixture = {"fine_grained": 20, "integration": 0, "general": 30}
    config = small_config(tmp_path / "in2", mistral_folder, mixture=mixture, instructions={"sources": [str(chats)]})
    build_dataset(config, Quiet())
    found = json.loads((tmp_path / "in2/audit.json").read_text())
    assert found["passed"]
    assert "it is." in (tmp_path / "in2/report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_real_builds_of_other_seeds_pass(tmp_path, qwen_folder, seed):
    config = small_config(tmp_path / "in2", qwen_folder, seed=seed, mixture={"fine_grained": 300, "integration": 100})
    build_dataset(config, Quiet())
    figures = json.loads((tmp_path / "in2/audit.json").read_text())["figures"]
    assert [figure for figure in figures if not figure["passed"]] == []
    # the sampled ones were looked at
    assert np.mean([figure["name"].startswith("sampled") for figure in figures]) > 0.1


def test_questions_are_matched_by_what_they_say(copy, mistral):
    """The order of questions.parquet has nothing to do with that of the examples."""
    damages.rows(copy, "questions", QUESTIONS, lambda content: content[::-1])
    assert audited(copy, mistral).passed
