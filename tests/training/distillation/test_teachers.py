"""Which teacher is opened, and which is refused with the command that makes it."""

import pickle
import shutil

import pytest

from in2_plugin.errors import ConfigError, DatasetError
from in2_plugin.teaching.rows import GoldOnlyRows
from in2_plugin.teaching.store import TeacherStore
from in2_plugin.training.distillation.teachers import (
    is_in_step,
    open_teachers,
    other_model_warning,
    teacher_sentence,
)
from in2_plugin.training.options import DistillOptions
from tests.support.distillation import copied, distilled_dataset, write_scores
from tests.support.taught import teacher_folder

INITIAL, CURRENT = DistillOptions(), DistillOptions(teacher="current")


def test_stored_scores_are_used_with_and_without_an_adapter():
    for adapter in (False, True):
        assert not is_in_step([distilled_dataset()], INITIAL, adapter=adapter)
    (teacher,) = open_teachers([distilled_dataset()], INITIAL, in_step=False)
    assert isinstance(teacher, TeacherStore)
    assert teacher_sentence([teacher], INITIAL) == "distils from the stored scores `initial` of tiny"
    assert pickle.loads(pickle.dumps(teacher)).of(3)[0].shape[1] == 16


def test_stored_scores_of_another_model_are_worth_a_warning():
    teachers = open_teachers([distilled_dataset()], INITIAL, in_step=False)
    assert other_model_warning(teachers, INITIAL, "./tiny/") is None
    assert "are of tiny, but the model in training is large: unless" in other_model_warning(teachers, INITIAL, "large")
    assert other_model_warning(teachers, DistillOptions(teacher="other"), "large") is None


def test_the_model_in_training_reads_gold_rows():
    assert is_in_step([distilled_dataset()], CURRENT, adapter=False)
    teachers = open_teachers([distilled_dataset()], CURRENT, in_step=True)
    assert isinstance(teachers[0], GoldOnlyRows)
    assert teacher_sentence(teachers, CURRENT).startswith("distils from the model in training, which reads the gold")


def test_an_adapter_keeps_the_model_before_training_in_memory(tmp_path):
    folder = copied(tmp_path)
    shutil.rmtree(folder / "teacher")
    assert is_in_step([folder], INITIAL, adapter=True) and not is_in_step([folder], INITIAL, adapter=False)
    teachers = open_teachers([folder], INITIAL, in_step=True)
    assert isinstance(teachers[0], GoldOnlyRows)
    assert teacher_sentence(teachers, INITIAL).startswith("distils from the model without its adapter, which reads")
    assert "not used" not in teacher_sentence(teachers, INITIAL)


def test_one_split_without_scores_lets_the_model_without_its_adapter_read_all_of_them(tmp_path):
    held_out = copied(tmp_path)
    shutil.rmtree(held_out / "teacher")
    folders = [distilled_dataset(), held_out]
    assert is_in_step(folders, INITIAL, adapter=True) and not is_in_step(folders, INITIAL, adapter=False)
    sentence = teacher_sentence(open_teachers(folders[:1], INITIAL, in_step=True), INITIAL)
    assert sentence.endswith("; stored scores are not used, because another dataset of this run has none")


def test_missing_teachers_are_refused_with_the_command(tmp_path):
    folder = copied(tmp_path)
    with pytest.raises(DatasetError, match=r"has no scores of a teacher `other` .*in2 teach .* --name other"):
        open_teachers([folder], DistillOptions(teacher="other"), in_step=False)
    shutil.rmtree(folder / "teacher")
    with pytest.raises(DatasetError, match=r"has no scores of a teacher `initial` .*in2 teach .* --name initial"):
        open_teachers([folder], INITIAL, in_step=False)
    shutil.rmtree(folder / "gold_rows")
    with pytest.raises(DatasetError, match="has no gold rows; run `in2 teach"):
        open_teachers([folder], CURRENT, in_step=True)


def test_top_k_is_at_most_what_is_stored(tmp_path):
    from transformers import AutoModelForCausalLM

    folder = copied(tmp_path)
    write_scores(folder, AutoModelForCausalLM.from_pretrained(teacher_folder()), name="few", top_k=4)
    few = DistillOptions(teacher="few", top_k=4)
    open_teachers([folder], few, in_step=False)
    with pytest.raises(ConfigError, match=r"`distill.top_k: 5`: .*teacher/few has 4 tokens at each answer token; l"):
        open_teachers([folder], few.model_copy(update={"top_k": 5}), in_step=False)
    shutil.rmtree(folder / "teacher/initial")
    (folder / "teacher/few").rename(folder / "teacher/initial")
    with pytest.raises(ConfigError, match=r"scores of 4 and 16 tokens at .*; set `distill: \{top_k: 4\}"):
        open_teachers([folder, distilled_dataset()], INITIAL, in_step=False)
