"""Audits of valid datasets, and of folders that cannot be audited."""

import json

import numpy as np
import pytest
from transformers import AutoTokenizer

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.tables import QUESTIONS
from in2_plugin.errors import DatasetError, FolderLocked, TokenizerError
from in2_plugin.inspection.audit import run
from in2_plugin.inspection.audit.run import audit_dataset
from in2_plugin.io.lock import folder_lock
from in2_plugin.pipeline.build import build_dataset
from tests.support import damages
from tests.support.audits import audited
from tests.support.broken_datasets import change_turn, golds_at_the_edges, one_token_more
from tests.support.builds import Quiet, small_config


def test_a_valid_dataset_passes_with_the_same_bytes_each_time(built, mistral, copy):
    found = audited(copy, mistral)
    assert found.failing == []
    assert len(found.figures) > 35
    for name in ("audit.json", "report.html"):
        assert (copy / name).read_bytes() == (built / name).read_bytes()
    assert json.loads((copy / "audit.json").read_text()) == found.as_json()


def test_a_folder_is_audited_with_its_own_build_file(copy):
    assert audit_dataset(copy).passed


def test_a_folder_from_before_whole_items_is_audited_with_the_rule_it_had(copy, monkeypatch):
    record = json.loads((copy / "build.json").read_text())
    del record["corpus"]["decontamination"]["whole_items"]
    (copy / "build.json").write_text(json.dumps(record))
    rules = []
    monkeypatch.setattr(run, "audit", lambda folder, config, *_: rules.append(config.corpus.decontamination))
    audit_dataset(copy)
    assert [(rule.ngram, rule.whole_items) for rule in rules] == [(10, 10)]


def test_bounds_come_from_the_build_file(copy, mistral):
    bounds = {"answer_tokens": [3, 20], "sample": 10}
    found = audited(copy, mistral, audit=bounds)
    assert {figure.name for figure in found.failing} == {"shortest answer", "longest answer"}
    details = {figure.name: figure.detail for figure in found.figures}
    assert details["sampled masks that are not the answers"] == "10 examples"


def test_an_unfinished_folder_can_be_audited(copy, mistral):
    for name in ("manifest.json", "README.md", "audit.json", "report.html"):
        (copy / name).unlink()
    assert audited(copy, mistral).passed


@pytest.mark.parametrize("name", ["build.json", "segments/store.json", "questions.parquet", "examples.parquet"])
def test_a_folder_without_a_required_file_is_refused(copy, name):
    (copy / name).unlink()
    with pytest.raises(DatasetError, match=f"{name} is missing, so the audit cannot run yet; finish"):
        audit_dataset(copy)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="not a dataset folder of `in2 build`"):
        audit_dataset(tmp_path)


def test_a_locked_folder_is_refused(copy):
    with folder_lock(copy), pytest.raises(FolderLocked, match="is in use by process"):
        audit_dataset(copy)


def test_a_missing_tokenizer_is_an_error(copy):
    with pytest.raises(TokenizerError, match="there is no such folder"):
        audit_dataset(copy, "/nowhere")


@pytest.mark.parametrize(
    "damage",
    [
        damages.cut("examples.parquet", 0.5),
        damages.cut("questions.parquet", 0.5),
        damages.overwrite("examples.parquet", 2_000, b"not a Parquet file!" * 20),
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
def test_a_damaged_file_is_an_error_or_a_failing_figure(copy, damage):
    damage(copy)
    try:
        found = audit_dataset(copy)
    except DatasetError as error:
        assert str(error).startswith(str(copy))
        assert "\n" not in str(error)
    else:
        assert not found.passed


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        # tests/pipeline/test_build.py builds, and so audits, several turns and the edges too
        pytest.param({"questions_per_context": 4, "positions": "shuffle"}, marks=pytest.mark.e2e_full),
        pytest.param({"positions": "edges"}, marks=pytest.mark.e2e_full),
        {"positions": {"strategy": "histogram", "weights": [1, 2, 3]}, "template": "film"},
        {"corpus": {"sources": [{"path": "bundled:python-docs", "limit": 400}],
                    "near_duplicates": {"threshold": None}, "decontamination": {"ngram": None}}},
        {"corpus": {"sources": [{"path": "bundled:python-docs", "limit": 60}]},
         "mixture": {"fine_grained": 8, "integration": 150, "short_context": 30, "shortfall": "rescale"}},
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
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.e2e_full) for seed in (1, 2, 3))])
def test_builds_of_other_seeds_pass(tmp_path, qwen_folder, seed):
    config = small_config(tmp_path / "in2", qwen_folder, seed=seed, mixture={"fine_grained": 300, "integration": 100})
    build_dataset(config, Quiet())
    figures = json.loads((tmp_path / "in2/audit.json").read_text())["figures"]
    assert [figure for figure in figures if not figure["passed"]] == []
    # the sample was checked
    assert np.mean([figure["name"].startswith("sampled") for figure in figures]) > 0.1


def test_questions_are_matched_by_their_text(copy, mistral):
    """The order of questions.parquet is unrelated to that of the examples."""
    damages.rows(copy, "questions", QUESTIONS, lambda content: content[::-1])
    assert audited(copy, mistral).passed


def test_a_single_fault_fails_a_single_figure(copy, mistral):
    change_turn(one_token_more)(copy)
    assert [figure.name for figure in audited(copy, mistral).failing] == ["sampled masks that are not the answers"]


def test_a_dataset_of_another_tokenizer_fails_only_the_fingerprints(copy, qwen):
    failing = audited(copy, qwen).failing
    assert [figure.name for figure in failing[:2]] == [
        "another tokenizer than built for", "another chat template than built for",
    ]  # fmt: skip
    assert "the dataset was built for" in failing[0].detail
    assert "`--tokenizer`" in failing[0].detail
    assert len(failing) == 2


@pytest.fixture
def other_template(mistral_folder) -> ModelTokenizer:
    pretrained = AutoTokenizer.from_pretrained(mistral_folder)
    pretrained.chat_template = pretrained.chat_template.replace("[/INST]", "[/INST] ANSWER:")
    return ModelTokenizer(pretrained)


def test_another_chat_template_fails(copy, other_template):
    failing = audited(copy, other_template).failing
    assert [figure.name for figure in failing] == ["another chat template than built for"]


def test_another_chat_template_fails_the_lengths_without_a_manifest(copy, other_template):
    (copy / "manifest.json").unlink()
    failing = {figure.name for figure in audited(copy, other_template).failing}
    assert "sampled examples of another length than planned" in failing


def test_a_complete_folder_keeps_its_manifest_if_it_fails(copy, mistral):
    golds_at_the_edges(copy)
    audited(copy, mistral)
    assert (copy / "manifest.json").exists()
