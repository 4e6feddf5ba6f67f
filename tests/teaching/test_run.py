"""Runs of `in2 teach`: resumed after SIGKILL with the same bytes, refused for another model or a held folder."""

import re
import shutil
import sys

import pytest

from in2_plugin import layout
from in2_plugin.errors import ConfigError, DatasetError, FolderLocked
from in2_plugin.io.lock import folder_lock
from in2_plugin.teaching.rows import GoldOnlyRows
from in2_plugin.teaching.run import make_gold_rows, teach
from in2_plugin.teaching.store import TeacherStore
from tests.support.builds import Quiet
from tests.support.taught import SHARD_EXAMPLES, scores_in, taught_dataset, teacher_folder
from tests.support.warm_start import run_warm


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    folder = taught_dataset(tmp_path_factory.mktemp("run"))
    teach(folder, str(teacher_folder()), "initial", dtype="float32", shard_examples=SHARD_EXAMPLES)
    return folder


def test_gold_rows_need_only_the_tokenizer(tmp_path):
    folder = taught_dataset(tmp_path)
    assert len(make_gold_rows(folder)) == len(GoldOnlyRows(folder))
    assert not (folder / layout.TEACHER).exists()


@pytest.mark.parametrize("scored", [False, True])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, scored):
    folder = taught_dataset(tmp_path)
    (folder / layout.GOLD_ROWS).symlink_to("/sys")  # read-only for everyone, root included
    with pytest.raises(ConfigError, match=r"in2: cannot be written \(.*\); finished shards are kept. Make it writable"):
        teach(folder, str(teacher_folder()), "initial") if scored else make_gold_rows(folder)


def test_a_killed_run_is_resumed_with_the_same_bytes(taught, tmp_path):
    folder = taught_dataset(tmp_path)
    run_warm(sys.executable, "tests.support.killed_teach", folder, teacher_folder(), cwd=tmp_path, ok=False)
    assert len(scores_in(folder)) == 2
    with pytest.raises(DatasetError, match="shards are missing"):
        TeacherStore.open(folder, "initial")
    progress, done = Quiet(), GoldOnlyRows(folder).n_questions(range(2 * SHARD_EXAMPLES))
    teach(folder, str(teacher_folder()), "initial", dtype="float32", progress=progress)
    assert any(f"{done} of" in line and "scored already" in line for line in progress.lines)
    assert scores_in(folder) == scores_in(taught)


def test_a_complete_teacher_is_not_scored_again(taught, monkeypatch):
    monkeypatch.setattr("in2_plugin.teaching.score.HFTeacher.top", None)
    assert teach(taught, str(teacher_folder()), "initial", dtype="float32").store.facts.shard_examples == SHARD_EXAMPLES


def test_contexts_that_do_not_fit_are_refused_before_scoring(tmp_path, monkeypatch):
    folder = taught_dataset(tmp_path)
    monkeypatch.setattr("in2_plugin.teaching.score.HFTeacher.window", 300)
    with pytest.raises(ConfigError, match="reads at most 300 tokens"):
        teach(folder, str(teacher_folder()), "initial", dtype="float32", compared=3)
    assert not (folder / layout.TEACHER / "initial" / layout.TEACHER_FACTS).exists()


def test_a_later_run_keeps_the_dtype(taught, monkeypatch):
    monkeypatch.setattr("in2_plugin.teaching.score.fastest_cpu_dtype", lambda: "bfloat16")
    assert teach(taught, str(teacher_folder()), "initial").store.facts.dtype == "float32"
    with pytest.raises(ConfigError, match="was made with the dtype float32, not bfloat16"):
        teach(taught, str(teacher_folder()), "initial", dtype="bfloat16")


def test_another_model_is_refused(taught, tmp_path):
    from transformers import AutoModelForCausalLM

    other = shutil.copytree(teacher_folder(), tmp_path / "other")
    model = AutoModelForCausalLM.from_pretrained(other)
    model.model.norm.weight.data += 0.01
    model.save_pretrained(other)
    with pytest.raises(ConfigError, match=r"teacher/initial: was made with weights of SHA-256 \w+, not \w+; delete"):
        teach(taught, str(other), "initial", dtype="float32")


def test_a_second_process_is_refused(taught):
    held = taught / layout.TEACHER / "initial"
    with folder_lock(held, name=layout.TEACHING_LOCK), pytest.raises(FolderLocked, match=re.escape(str(held))):
        teach(taught, str(teacher_folder()), "initial", dtype="float32")


def test_a_name_is_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(ConfigError, match="`current` cannot be the name of a teacher"):
        teach(tmp_path, "nothing", "current")
