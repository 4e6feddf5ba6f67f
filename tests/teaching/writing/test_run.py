"""Runs of `in2 teach --sample`: a dataset that passes its audit, resumed after SIGKILL with the same bytes."""

import json
import sys

import pytest

from in2_plugin import layout
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.reader import IN2Dataset, read_manifest
from in2_plugin.errors import ConfigError
from in2_plugin.inspection.doctor.run import examine
from in2_plugin.sharing.card import answer_writers
from in2_plugin.teaching.run import make_gold_rows
from in2_plugin.teaching.writing.decoding import AnswerDecoding, AnsweringTeacher
from in2_plugin.teaching.writing.run import write_answers
from tests.support.builds import Quiet
from tests.support.knowing_teacher import BEFORE, knowing_write
from tests.support.taught import SHARD_EXAMPLES, taught_dataset, teacher_folder
from tests.support.warm_start import run_warm

MODEL = str(teacher_folder())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return taught_dataset(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def answered(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("answered") / "new"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AnsweringTeacher, "write", knowing_write(source))
        report = write_answers(source, MODEL, folder, dtype="float32", shard_examples=SHARD_EXAMPLES)
    return folder, report


def content(folder):
    """The bytes of every file that training and audit read; the card has the path of the folder."""
    names = (layout.EXAMPLES, layout.QUESTIONS, layout.AUDIT)
    files = [folder / name for name in names]
    files += sorted((folder / layout.PLANS).iterdir()) + sorted((folder / layout.WRITTEN).glob("*.parquet"))
    return {path.relative_to(folder): path.read_bytes() for path in files}


def test_the_new_dataset_is_complete_and_its_source_is_unchanged(source, answered, tmp_path):
    folder, report = answered
    old, new = (IN2Dataset(one, load_tokenizer(MODEL)) for one in (source, folder))
    assert 0 < report.verified < report.questions and report.outcomes["truncated"] > 0
    assert new.manifest.counts["turns"] == old.manifest.counts["turns"]
    assert new.manifest.counts["answer_tokens"] - old.manifest.counts["answer_tokens"] == (
        report.written_tokens - report.stored_tokens
    )
    assert new.manifest.longest <= new.manifest.build["lengths"]["max"] and new.manifest.content != old.manifest.content
    assert new.render(next(new.rows())).labels.tolist() == new.plans.assemble(0)[1].tolist()
    assert any(turn["answer"].startswith(BEFORE) for row in new.rows() for turn in row["turns"])
    assert json.loads((folder / layout.AUDIT).read_text())["passed"]
    assert examine(folder).is_sound and not examine(folder).missing
    assert content(source).keys() and read_manifest(source) == read_manifest(taught_dataset(tmp_path))


def test_the_card_says_who_wrote_the_answers(answered):
    folder, report = answered
    assert (folder / layout.CARD).read_text().count(f"## Questions\n\n{report.sentence()}.\n") == 1
    assert answer_writers(folder) == [report.sentence()]


def test_gold_rows_of_the_new_dataset_have_its_answers(answered):
    folder, _ = answered
    assert len(make_gold_rows(folder)) == read_manifest(folder).examples


def test_a_killed_run_is_resumed_with_the_same_bytes(source, answered, tmp_path, monkeypatch):
    output = tmp_path / "new"
    run_warm(sys.executable, "tests.support.killed_writing", source, MODEL, output, cwd=tmp_path, ok=False)
    assert len(list((output / layout.WRITTEN).glob("*.parquet"))) == 2
    monkeypatch.setattr(AnsweringTeacher, "write", knowing_write(source))
    progress = Quiet()
    report = write_answers(source, MODEL, output, dtype="float32", progress=progress)
    assert any("questions are answered already" in line for line in progress.lines)
    assert report == answered[1] and content(output) == content(answered[0])


def test_a_run_that_stopped_before_the_manifest_is_finished(source, answered, monkeypatch):
    folder, report = answered
    before = content(folder)
    (folder / layout.MANIFEST).unlink()
    monkeypatch.setattr(AnsweringTeacher, "write", None)
    assert write_answers(source, MODEL, folder) == report
    assert content(folder) == before and read_manifest(folder)


def test_other_settings_are_refused(source, answered):
    with pytest.raises(ConfigError, match="was written with the settings --max-new-tokens 128"):
        write_answers(source, MODEL, answered[0], AnswerDecoding(64))


@pytest.mark.parametrize("is_own", [True, False])
def test_a_dataset_of_a_build_is_not_overwritten(source, built, is_own):
    with pytest.raises(ConfigError, match="is a dataset whose answers `in2 teach --sample` did not write"):
        write_answers(source, MODEL, source if is_own else built)


def test_answers_to_another_dataset_are_refused(answered, built, tmp_path):
    """The questions of a dataset with written answers are other examples."""
    with pytest.raises(ConfigError, match="has answers to the questions of another dataset"):
        write_answers(answered[0], MODEL, answered[0])


def test_more_new_tokens_than_the_audit_allows_are_refused(source, tmp_path):
    with pytest.raises(ConfigError, match="--max-new-tokens 5000: the build file allows answers of 4,096 tokens"):
        write_answers(source, MODEL, tmp_path / "new", AnswerDecoding(5_000))
