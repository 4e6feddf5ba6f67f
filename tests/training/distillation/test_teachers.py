"""Which teacher is opened, and which is refused with the command that makes it."""

import pickle
import shutil

import pytest

from in2_plugin.errors import ConfigError, DatasetError
from in2_plugin.teaching.rows import GoldOnlyRows
from in2_plugin.teaching.store import TeacherStore
from in2_plugin.training.distillation.teachers import open_teachers, other_model_warning, teacher_sentence
from in2_plugin.training.options import DistillOptions
from tests.support.distillation import copied, distilled_dataset, write_scores
from tests.support.taught import teacher_folder

INITIAL, CURRENT = DistillOptions(), DistillOptions(teacher="current")


def test_stored_scores_are_used_with_and_without_an_adapter():
    for adapter in (False, True):
        (teacher,) = open_teachers([distilled_dataset()], INITIAL, adapter=adapter)
        assert isinstance(teacher, TeacherStore)
    assert teacher_sentence([teacher], INITIAL) == "distils from the stored scores `initial` of tiny"
    assert pickle.loads(pickle.dumps(teacher)).of(3)[0].shape[1] == 16


def test_stored_scores_of_another_model_are_worth_a_warning():
    teachers = open_teachers([distilled_dataset()], INITIAL, adapter=False)
    assert other_model_warning(teachers, INITIAL, "./tiny/") is None
    assert "are of tiny, but the model in training is large: unless" in other_model_warning(teachers, INITIAL, "large")
    assert other_model_warning(teachers, DistillOptions(teacher="other"), "large") is None


def test_the_model_in_training_reads_gold_rows():
    teachers = open_teachers([distilled_dataset()], CURRENT, adapter=False)
    assert isinstance(teachers[0], GoldOnlyRows)
    assert teacher_sentence(teachers, CURRENT).startswith("distils from the model in training, which reads the gold")


def test_an_adapter_keeps_the_model_before_training_in_memory(tmp_path):
    folder = copied(tmp_path)
    shutil.rmtree(folder / "teacher")
    teachers = open_teachers([folder], INITIAL, adapter=True)
    assert isinstance(teachers[0], GoldOnlyRows)
    assert "the model without its adapter" in teacher_sentence(teachers, INITIAL)


def test_missing_teachers_are_refused_with_the_command(tmp_path):
    folder = copied(tmp_path)
    with pytest.raises(DatasetError, match=r"has no scores of a teacher `other` .*in2 teach .* --name other"):
        open_teachers([folder], DistillOptions(teacher="other"), adapter=True)
    shutil.rmtree(folder / "teacher")
    with pytest.raises(DatasetError, match=r"has no scores of a teacher `initial` .*in2 teach .* --name initial"):
        open_teachers([folder], INITIAL, adapter=False)
    shutil.rmtree(folder / "gold_rows")
    with pytest.raises(DatasetError, match="has no gold rows; run `in2 teach"):
        open_teachers([folder], CURRENT, adapter=False)


def test_top_k_is_at_most_what_is_stored(tmp_path):
    from transformers import AutoModelForCausalLM

    folder = copied(tmp_path)
    write_scores(folder, AutoModelForCausalLM.from_pretrained(teacher_folder()), name="few", top_k=4)
    few = DistillOptions(teacher="few", top_k=4)
    open_teachers([folder], few, adapter=False)
    with pytest.raises(ConfigError, match=r"`distill.top_k: 5`: .*teacher/few has 4 tokens at each answer token; l"):
        open_teachers([folder], few.model_copy(update={"top_k": 5}), adapter=False)
    shutil.rmtree(folder / "teacher/initial")
    (folder / "teacher/few").rename(folder / "teacher/initial")
    with pytest.raises(ConfigError, match=r"scores of 4 and 16 tokens at .*; set `distill: \{top_k: 4\}"):
        open_teachers([folder, distilled_dataset()], INITIAL, adapter=False)
