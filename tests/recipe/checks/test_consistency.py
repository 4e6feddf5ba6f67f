"""Check that inconsistent files of a recipe are found."""

import shutil

import pytest

from in2_plugin.config import load_build_config
from in2_plugin.recipe.checks.consistency import check_agreement
from in2_plugin.recipe.folder import RecipeFolder, find_recipe
from in2_plugin.recipe.training_file import read_training_file
from tests.support.editing import replace_in

AGREED = [
    ("axolotl.yml", "path: data/film-7b", "path: data/other", "build.yml writes `output: data/film-7b`"),
    ("axolotl.yml", "sequence_len: 32768", "sequence_len: 16384", "below build.yml's `lengths.max: 32768`"),
    ("build.yml", "Mistral-7B-Instruct-v0.2", "Mistral-7B-Instruct-v0.1", "is not build.yml's `tokenizer:"),
    ("axolotl.yml", "= 128", "= 64", "the product is 128; correct it"),
    ("axolotl.yml", "gradient_accumulation_steps: 8", "gradient_accumulation_steps: 4", "micro-batch and accumulation"),
    ("train.sh", "batch=128", "batch=64", "train.sh has `batch=64`"),
    ("axolotl.yml", "sequence_len:", "context_parallel_size: 2\nsequence_len:", "2 GPUs share a row"),
    ("axolotl.yml", "sequence_len:", "context_parallel: {size: 2}\nsequence_len:", "2 GPUs share a row"),
]


@pytest.fixture
def film(tmp_path):
    """A copy of film-7b, to change."""
    shutil.copytree(find_recipe("film-7b").path, tmp_path / "film-7b")
    (tmp_path / "film-7b/axolotl-fsdp.yml").unlink()
    return tmp_path / "film-7b"


def errors(checks):
    return [f"{check.file}: {check.message}" for check in checks if check.mark == "ERROR"]


@pytest.mark.parametrize(("file", "old", "new", "said"), AGREED, ids=[case[3][:24] for case in AGREED])
def test_inconsistent_files_are_errors(film, file, old, new, said):
    replace_in(film / file, old, new)
    training, build = read_training_file(film / "axolotl.yml"), load_build_config(film / "build.yml")
    found = errors(check_agreement(training, build, RecipeFolder(film).scripts))
    assert any(said in each for each in found), found


def test_consistent_files_are_one_line(film):
    training, build = read_training_file(film / "axolotl.yml"), load_build_config(film / "build.yml")
    (found,) = check_agreement(training, build, RecipeFolder(film).scripts)
    assert (found.mark, found.message) == (
        "ok",
        "consistent with build.yml: dataset, length, tokenizer, 128 examples per step",
    )
