"""The doctor as a whole: a valid folder has no findings, and no content of a file causes a traceback."""

import random
import shutil
from importlib import import_module

import pytest

from in2_plugin.dataset.tables import EXAMPLES, QUESTIONS
from in2_plugin.errors import DatasetError, In2Error
from in2_plugin.inspection.doctor.run import CHECKS, examine
from in2_plugin.inspection.status import read_status
from tests.support.damages import arrow_offset, example, keys, question, whole, without_column


def test_a_valid_folder_has_no_findings_and_is_not_changed(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    examination = examine(folder)
    assert examination.findings == examination.skipped == []
    assert len(examination.done) == len(CHECKS) == 18
    assert dict(examination.done)["examples"] == "60 examples"
    assert examination.verdict == "no problems found"
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


MODULES = ("doctor.test_files", "doctor.test_questions", "doctor.test_examples", "doctor.test_plans",
           "doctor.test_rendering", "doctor.test_work_log", "test_store_files")  # fmt: skip
"""Modules with the damages of each check."""


def test_every_check_has_a_test_with_damaged_files():
    tested = {check for name in MODULES for _, check, _ in import_module(f"tests.inspection.{name}").DAMAGES}
    assert tested == {check.name for check in CHECKS}


def test_an_unfinished_folder_has_no_errors(folder):
    for name in ("manifest.json", "README.md", "examples.parquet", "plans/facts.json"):
        (folder / name).unlink()
    (folder / "examples.parquet.part").write_text("half")
    examination = examine(folder)
    assert examination.is_sound
    assert ("examples", "examples.parquet is missing") in examination.skipped
    (note,) = examination.findings
    assert (note.where, note.is_error) == ("examples.parquet.part", False)
    assert examination.verdict == (
        "no problems found, but the dataset is not complete: examples, plans, manifest missing; run `in2 build` to "
        "finish it"
    )


def test_files_of_a_preview_have_no_errors(sound, tmp_path):
    shutil.copy(sound / "work.sqlite", tmp_path)
    examination = examine(tmp_path)
    assert examination.is_sound
    assert [name for name, _ in examination.done] == ["stages", "work log"]
    assert len(examination.done) + len(examination.skipped) == len(CHECKS)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        examine(tmp_path / "missing")
    with pytest.raises(DatasetError, match="not a dataset folder of `in2 build`"):
        examine(tmp_path)


JSON_FILES = ("build.json", "manifest.json", "segments/store.json", "plans/facts.json")
FILES = (
    *JSON_FILES, "audit.json", "README.md", "questions.parquet", "rejected.parquet", "examples.parquet", "work.sqlite",
    "instructions.parquet", "segments/exclusions.parquet",
    "segments/segments.arrow", "segments/documents.arrow", "segments/ids.bin", "segments/offsets.bin",
    "plans/lengths.bin", "plans/examples.bin", "plans/segments.bin", "plans/tails.bin", "plans/answers.bin",
    "plans/openings.bin",
)  # fmt: skip
SEEDS = (0, *(pytest.param(seed, marks=pytest.mark.e2e_full) for seed in (1, 2)))


def run_status_and_doctor(folder):
    """Run both commands; any exception but our own fails the test."""
    try:
        read_status(folder)
    except In2Error as error:
        assert "\n" not in str(error)
    return examine(folder)


@pytest.mark.parametrize("content", ["[]", "null", "3", '"x"', "{}", "", "[" * 100_000, "\udcff"])
@pytest.mark.parametrize("name", JSON_FILES)
def test_a_json_file_with_other_content_is_a_finding(folder, name, content):
    (folder / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert not run_status_and_doctor(folder).is_sound


@pytest.mark.parametrize(
    "damage",
    [
        keys("build.json", questions=None),
        keys("build.json", questions=[1], mixture=[1]),
        keys("build.json", questions={"verify": "x", "endpoint": {"prices": 3, "answer_format": 7}}),
        keys("build.json", lengths=None),
        keys("manifest.json", counts=None),
        keys("manifest.json", counts={"examples": "x"}),
        keys("manifest.json", examples="x"),
        keys("manifest.json", tokenizer=3),
        keys("segments/store.json", id_type="x"),
        keys("segments/store.json", id_type="float64"),
        keys("segments/store.json", segments="x"),
        keys("segments/store.json", joining="by hand"),
        without_column("questions", "kind"),
        without_column("examples", "turns"),
        whole("examples.parquet", ""),
        *(question(**{name: None}) for name in QUESTIONS.names),
        *(example(**{name: None}) for name in EXAMPLES.names),
    ],
)
def test_a_value_of_another_type_is_a_finding(folder, damage):
    damage(folder)
    assert not run_status_and_doctor(folder).is_sound


@pytest.mark.parametrize("name", FILES[len(JSON_FILES) :])
def test_a_folder_instead_of_a_file_is_a_finding(folder, name):
    (folder / name).unlink()
    (folder / name).mkdir()
    assert not run_status_and_doctor(folder).is_sound


def test_no_check_opens_a_table_that_would_crash_the_process(folder):
    arrow_offset(folder)
    skipped = dict(run_status_and_doctor(folder).skipped)
    opened = {"segments", "token ids", "documents", "screening", "questions", "examples", "plans", "rendering"}
    assert skipped == dict.fromkeys(opened, "segments/segments.arrow is damaged")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FILES)
def test_random_damage_causes_no_traceback(folder, name, seed):
    content = (folder / name).read_bytes()
    rng = random.Random(f"{name} {seed}")
    damaged = bytearray(content)
    # headers and footers tell how to read the rest
    start = rng.choice([0, max(0, len(content) - 2_500), rng.randrange(len(content))])
    at = rng.randrange(start, min(len(content), start + 2_500))
    damaged[at : at + rng.choice([1, 8, 400])] = rng.choice([rng.randbytes(8), b"", bytes(400)])
    (folder / name).unlink()
    (folder / name).write_bytes(damaged)
    run_status_and_doctor(folder)
