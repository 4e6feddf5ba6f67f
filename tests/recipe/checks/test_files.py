"""Check the checks of single files: DeepSpeed, accelerate, scripts."""

import shutil

import pytest

from in2_plugin.recipe.checks.files import check_deepspeed, check_script, named_tasks
from in2_plugin.recipe.folder import find_recipe
from tests.support.editing import replace_in


@pytest.fixture
def film(tmp_path):
    """A copy of film-7b, to change."""
    shutil.copytree(find_recipe("film-7b").path, tmp_path / "film-7b")
    (tmp_path / "film-7b/axolotl-fsdp.yml").unlink()
    return tmp_path / "film-7b"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"stage": 3', '"stage": 4', "stage"),
        ('"offload_param"', '"offload_parm"', "offload_parm"),
        ('"zero_optimization"', '"zero_optimisation"', "did you mean `zero_optimization`?"),
        ('"stage": 3', '"stage" 3', "is not JSON"),
    ],
)
def test_deepspeed_rejects_a_wrong_config(film, old, new, said):
    file = film / "zero3-offload.json"
    replace_in(file, old, new)
    with pytest.raises(Exception, match=said):
        list(check_deepspeed(file))


def test_deepspeed_accepts_the_recipes_config(film):
    (found,) = check_deepspeed(film / "zero3-offload.json")
    assert found.message == "DeepSpeed accepts it: ZeRO stage 3, optimizer and param offloaded"


def test_a_script_with_a_syntax_error_is_an_error(film):
    replace_in(film / "train.sh", "fi\n", "\n")
    with pytest.raises(Exception, match="bash cannot parse it"):
        list(check_script(film / "train.sh"))


def test_a_misspelt_task_in_a_script_is_an_error(film):
    assert {"val_probe", "film_longbench"} <= named_tasks((film / "eval.sh").read_text())
    assert named_tasks("lm_eval --tasks a,b_c --x\nlm_eval --tasks=d") == {"a", "b_c", "d"}
    replace_in(film / "eval.sh", "film_ruler", "film_rule")
    with pytest.raises(Exception, match=r"has a task `film_rule`; did you mean `film_ruler`\?"):
        list(check_script(film / "eval.sh"))
