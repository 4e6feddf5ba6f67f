"""The teacher of a config is found before money is spent, and its cost is in the report."""

import shutil

import pytest

from in2_plugin import layout
from in2_plugin.preflight.run import preflight
from in2_plugin.preflight.teacher.checks import WHERE
from in2_plugin.teaching.rows import GoldOnlyRows
from tests.support.distillation import distilled_dataset
from tests.support.taught import teacher_folder


@pytest.fixture
def report_on(axolotl_file):
    """Returns a function that runs preflight for the tiny teacher as the model in training."""

    def report_on(folder, *, objective="both", teacher="initial", **changes):
        datasets = [{"path": str(folder), "type": "in2"}]
        section = {"objective": objective, **({} if objective == "answer" else {"distill": {"teacher": teacher}})}
        file = axolotl_file(base_model=str(teacher_folder()), datasets=datasets, in2=section, **changes)
        return preflight(file, gpus=1, gpu="A100-80G")

    return report_on


def about_teacher(report):
    return [finding for finding in report.findings if finding.where == WHERE]


def test_stored_scores_take_memory_and_no_time(report_on):
    report, alone = report_on(distilled_dataset()), report_on(distilled_dataset(), objective="answer")
    assert not report.errors and alone.teacher is None and alone.case.memory.teacher == 0
    assert report.run.seconds == alone.run.seconds and report.case.memory.teacher > 0
    assert dict(report.rows())["teacher"] == "distils from the stored scores `initial` of tiny, which takes no time"
    (warning,) = about_teacher(report)
    assert warning.level == "warning" and "the stored scores `initial` are of tiny" in warning.what
    assert "run `in2 teach` with `--model" in warning.remedy


def test_a_teacher_in_the_step_reads_the_gold_rows(report_on):
    folder = distilled_dataset()
    report, alone = report_on(folder, teacher="current"), report_on(folder, objective="answer")
    assert not about_teacher(report) and report.teacher.gold_tokens == GoldOnlyRows(folder).n_tokens
    assert report.run.seconds == pytest.approx(alone.run.seconds + report.teacher.seconds)
    assert report.as_json()["teacher"]["gold_tokens"] == report.teacher.gold_tokens
    shown = dict(report.rows())["teacher"]
    assert shown.startswith("distils from the model in training, which reads the gold rows") and "of the time" in shown


def test_missing_and_foreign_teachers_are_errors(report_on, tmp_path):
    (missing,) = report_on(distilled_dataset(), teacher="other").errors
    assert "has no scores of a teacher `other` (there are: initial)" in missing.what
    assert missing.where == WHERE and missing.remedy.startswith("run `in2 teach")
    folder = shutil.copytree(distilled_dataset(), tmp_path / "in2")
    next((folder / layout.TEACHER / "initial").glob("*.bin")).unlink()
    (damaged,) = report_on(folder).errors
    assert "1 of 1 shards are missing or damaged" in damaged.what
    shutil.rmtree(folder / layout.GOLD_ROWS)
    report = report_on(folder, teacher="current")
    assert "has no gold rows" in report.errors[0].what and report.teacher is None


def test_scores_of_tokens_that_the_model_does_not_have_are_an_error(report_on):
    (error,) = report_on(distilled_dataset(), overrides_of_model_config={"vocab_size": 100}).errors
    assert "and the model in training has 100 tokens" in error.what and "choose a teacher" in error.remedy


def test_an_adapter_needs_no_scores(report_on, tmp_path):
    folder = shutil.copytree(distilled_dataset(), tmp_path / "in2")
    shutil.rmtree(folder / layout.TEACHER)
    lora = {"adapter": "lora", "lora_r": 8, "lora_alpha": 16, "lora_target_linear": True}
    report = report_on(folder, **lora)
    assert not about_teacher(report) and "the model without its adapter" in report.teacher.who
    assert "has no scores" in report_on(folder, **lora, lora_model_dir=str(tmp_path)).errors[0].what


def test_examples_that_are_prepared_in_advance_have_no_teacher(report_on):
    (error,) = about_teacher(report_on(distilled_dataset(), dataset_exact_deduplication=True))
    assert error.level == "error" and "`dataset_exact_deduplication:` is set" in error.what
