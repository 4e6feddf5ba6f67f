"""Check that Axolotl, TRL and accelerate reject wrong files."""

import shutil

import pytest

from in2_plugin.recipe.checks.validate import validate
from in2_plugin.recipe.folder import RecipeFolder, find_recipe
from in2_plugin.training.axolotl.context_parallel import uses_ring_flash_attn
from tests.support.editing import replace_in


@pytest.fixture
def film(tmp_path):
    """A copy of film-7b, to change."""
    shutil.copytree(find_recipe("film-7b").path, tmp_path / "film-7b")
    (tmp_path / "film-7b/axolotl-fsdp.yml").unlink()
    return tmp_path / "film-7b"


def errors(checks):
    return [f"{check.file}: {check.message}" for check in checks if check.mark == "ERROR"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("learning_rate:", "learning_rat:", "did you mean `learning_rate`?"),
        ("sequence_len: 32768", "sequence_len: 16384", "the trainer stops at them"),
        ("micro_batch_size: 1", "micro_batch_size: many", "`micro_batch_size`"),
    ],
)
def test_axolotl_and_preflight_reject_a_wrong_file(film, old, new, said):
    pytest.importorskip("axolotl")
    replace_in(film / "axolotl.yml", old, new)
    found = errors(validate(RecipeFolder(film)))
    assert any(said in each for each in found), found


@pytest.mark.slow
@pytest.mark.skipif(uses_ring_flash_attn(), reason="Axolotl 0.19 refuses the file")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("context_parallel_size: 4", "context_parallel_size: 3", "3 ranks cannot share the 32 heads"),
        ("attn_implementation: sdpa", "attn_implementation: flex_attention", "Ulysses attention"),
        ("deepspeed: zero3.json", "deepspeed: zero3.json\nuse_eaft: true", "context_parallel_size"),
    ],
)
def test_rows_that_cannot_be_split_are_rejected(tmp_path, old, new, said):
    pytest.importorskip("axolotl")
    shutil.copytree(find_recipe("yarn-64k").path, tmp_path / "mine")
    (tmp_path / "mine/axolotl.yml").unlink()
    replace_in(tmp_path / "mine/axolotl-context-parallel.yml", old, new)
    found = errors(validate(RecipeFolder(tmp_path / "mine")))
    assert any(said in each for each in found), found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("learning_rate:", "learning_rat:", "did you mean `learning_rate`?"),
        ("learning_rate: 1.0e-6", "learning_rate: often", "rejects it"),
        ("seed: 42", "seed: 42\npacking: true", "`packing: true` has no effect"),
    ],
)
def test_trl_rejects_a_wrong_file(tmp_path, old, new, said):
    shutil.copytree(find_recipe("trl-zero3").path, tmp_path / "mine")
    replace_in(tmp_path / "mine/sft.yml", old, new)
    found = errors(validate(RecipeFolder(tmp_path / "mine")))
    assert any(said in each for each in found), found


@pytest.mark.slow
def test_accelerate_rejects_a_wrong_file(tmp_path):
    shutil.copytree(find_recipe("trl-zero3").path, tmp_path / "mine")
    (tmp_path / "mine/sft.yml").unlink()
    replace_in(tmp_path / "mine/accelerate.yml", "num_machines:", "num_machine:")
    (found,) = errors(validate(RecipeFolder(tmp_path / "mine")))
    assert "num_machine" in found
