"""`validate`: every recipe passes, and each way to spoil one shows as a line, while the other files are still read."""

import json
import shutil

import pytest
import yaml

from in2_plugin.config import load_build_config
from in2_plugin.recipe.checks.consistency import check_agreement
from in2_plugin.recipe.checks.files import check_deepspeed, check_script, named_tasks
from in2_plugin.recipe.checks.validate import validate
from in2_plugin.recipe.folder import RecipeFolder, find_recipe, recipe_names
from in2_plugin.recipe.training_file import read_training_file
from tests.support.e2e_run import ROOT
from tests.support.tiny_model import save_tiny_mistral


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return str(save_tiny_mistral(tmp_path_factory.mktemp("tiny") / "model", 40_960))


@pytest.fixture
def film(tmp_path):
    """film-7b, to spoil."""
    shutil.copytree(ROOT / "recipes/film-7b", tmp_path / "film-7b")
    (tmp_path / "film-7b/axolotl-fsdp.yml").unlink()
    return tmp_path / "film-7b"


def change(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def errors(checks):
    return [f"{check.file}: {check.said}" for check in checks if check.mark == "ERROR"]


@pytest.mark.slow
@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_passes_with_the_tools_own_validators(name, tiny):
    recipe = find_recipe(name)
    checks = list(validate(recipe, tiny if name == "smoke" else None))
    assert not errors(checks)
    looked = {check.file for check in checks if check.mark == "ok"}
    files = [*recipe.axolotl_files, *recipe.trl_files, *recipe.deepspeed_files, *recipe.accelerate_files,
             *recipe.scripts, *recipe.programs, recipe.build_file]  # fmt: skip
    assert looked == {file.name for file in files}
    mains = [check.said for check in checks if check.mark == "ok" and check.file.startswith(("axolotl", "sft"))]
    assert sum(" take" in said for said in mains) == len(recipe.axolotl_files) + len(recipe.trl_files)


@pytest.mark.slow
def test_a_model_in_place_of_the_base_model_is_read_and_said(film, tiny):
    notes = [check.said for check in validate(RecipeFolder(film), tiny) if check.mark == "note"]
    assert notes == [f"{tiny} was read"]


@pytest.mark.slow
def test_a_model_that_cannot_be_read_stops_nothing_else(film):
    for file in ("axolotl.yml", "build.yml"):
        change(film / file, "mistralai/Mistral-7B-Instruct-v0.2", "nobody/has-this")
    checks = list(validate(RecipeFolder(film)))
    (wrong,) = errors(checks)
    assert wrong.startswith("axolotl.yml: the base model `nobody/has-this` cannot be read here")
    assert {"build.yml", "zero3-offload.json", "eval.sh"} <= {check.file for check in checks if check.mark == "ok"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("learning_rate:", "learning_rat:", "did you mean `learning_rate`?"),
        ("sequence_len: 32768", "sequence_len: 16384", "the trainer stops at them"),
        ("micro_batch_size: 1", "micro_batch_size: many", "`micro_batch_size`"),
    ],
)
def test_axolotl_and_preflight_refuse_a_spoilt_file(film, old, new, said):
    change(film / "axolotl.yml", old, new)
    found = errors(validate(RecipeFolder(film)))
    assert any(said in each for each in found), found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("learning_rate:", "learning_rat:", "did you mean `learning_rate`?"),
        ("learning_rate: 1.0e-6", "learning_rate: often", "refuses it"),
        ("seed: 42", "seed: 42\npacking: true", "`packing: true` has no effect"),
    ],
)
def test_trl_refuses_a_spoilt_file(tmp_path, old, new, said):
    shutil.copytree(ROOT / "recipes/trl-zero3", tmp_path / "mine")
    change(tmp_path / "mine/sft.yml", old, new)
    found = errors(validate(RecipeFolder(tmp_path / "mine")))
    assert any(said in each for each in found), found


@pytest.mark.slow
def test_accelerate_refuses_a_spoilt_file(tmp_path):
    shutil.copytree(ROOT / "recipes/trl-zero3", tmp_path / "mine")
    (tmp_path / "mine/sft.yml").unlink()
    change(tmp_path / "mine/accelerate.yml", "num_machines:", "num_machine:")
    (found,) = errors(validate(RecipeFolder(tmp_path / "mine")))
    assert "num_machine" in found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"stage": 3', '"stage": 4', "stage"),
        ('"offload_param"', '"offload_parm"', "offload_parm"),
        ('"zero_optimization"', '"zero_optimisation"', "did you mean `zero_optimization`?"),
        ('"stage": 3', '"stage" 3', "is not JSON"),
    ],
)
def test_deepspeed_refuses_spoilt_settings(film, old, new, said):
    file = film / "zero3-offload.json"
    change(file, old, new)
    with pytest.raises(Exception, match=said):
        list(check_deepspeed(file))


def test_deepspeed_takes_the_recipes_settings(film):
    (found,) = check_deepspeed(film / "zero3-offload.json")
    assert found.said == "DeepSpeed takes it: ZeRO stage 3, optimizer and param offloaded"


def test_a_script_that_bash_cannot_read_is_said(film):
    change(film / "train.sh", "fi\n", "\n")
    with pytest.raises(Exception, match="bash cannot read it"):
        list(check_script(film / "train.sh"))


def test_tasks_of_scripts_are_found_and_a_misspelt_one_is_said(film):
    assert {"val_probe", "film_longbench"} <= named_tasks((film / "eval.sh").read_text())
    assert named_tasks("lm_eval --tasks a,b_c --x\nlm_eval --tasks=d") == {"a", "b_c", "d"}
    change(film / "eval.sh", "film_ruler", "film_rule")
    with pytest.raises(Exception, match=r"is called `film_rule`; did you mean `film_ruler`\?"):
        list(check_script(film / "eval.sh"))


AGREED = [
    ("axolotl.yml", "path: data/film-7b", "path: data/other", "build.yml writes `output: data/film-7b`"),
    ("axolotl.yml", "sequence_len: 32768", "sequence_len: 16384", "below build.yml's `lengths.max: 32768`"),
    ("build.yml", "Mistral-7B-Instruct-v0.2", "Mistral-7B-Instruct-v0.1", "is not build.yml's `tokenizer:"),
    ("axolotl.yml", "= 128", "= 64", "and that is 128; correct it"),
    ("axolotl.yml", "gradient_accumulation_steps: 8", "gradient_accumulation_steps: 4", "micro-batch and accumulation"),
    ("train.sh", "batch=128", "batch=64", "train.sh has `batch=64`"),
    ("axolotl.yml", "sequence_len:", "context_parallel_size: 2\nsequence_len:", "2 GPUs share a row"),
]


@pytest.mark.parametrize(("file", "old", "new", "said"), AGREED, ids=[case[3][:24] for case in AGREED])
def test_files_that_do_not_fit_each_other_are_said(film, file, old, new, said):
    change(film / file, old, new)
    training, build = read_training_file(film / "axolotl.yml"), load_build_config(film / "build.yml")
    found = errors(check_agreement(training, build, RecipeFolder(film).scripts))
    assert any(said in each for each in found), found


def test_files_that_fit_are_one_line(film):
    training, build = read_training_file(film / "axolotl.yml"), load_build_config(film / "build.yml")
    (found,) = check_agreement(training, build, RecipeFolder(film).scripts)
    assert (found.mark, found.said) == ("ok", "fits build.yml: dataset, length, tokenizer, 128 examples a step")


def test_a_build_file_that_is_refused_stops_nothing_else(film):
    change(film / "build.yml", "mixture:", "mixtures:")
    (film / "axolotl.yml").unlink()
    checks = list(validate(RecipeFolder(film)))
    assert [each for each in errors(checks) if "did you mean `mixture`?" in each]
    assert {"train.sh", "zero3-offload.json"} <= {check.file for check in checks if check.mark == "ok"}


def test_checks_can_be_written_as_json(film):
    (film / "axolotl.yml").unlink()
    checks = [check.as_json() for check in validate(RecipeFolder(film))]
    assert json.loads(json.dumps(checks))[0]["file"] == "build.yml"
    assert yaml.safe_load((film / "build.yml").read_text())["output"] == "data/film-7b"
