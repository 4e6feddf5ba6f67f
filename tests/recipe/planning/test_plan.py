"""Check plans against the figures of the paper."""

import json
import shutil

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.preflight.costs import GPUS, seconds
from in2_plugin.recipe.folder import RecipeFolder, find_recipe, recipe_names
from in2_plugin.recipe.planning.plan import PAPER_GPU_DAYS, PAPER_MFU, plan_recipe, short_plan
from in2_plugin.recipe.planning.published_models import CONFIGS
from in2_plugin.recipe.planning.text import as_json, plan_lines
from tests.support.editing import replace_in
from tests.support.reduced_recipes import MODEL_IS_MADE

ON_PROMPTS = "grpo-qwen3-4b"
OF_THE_PACKAGE = [name for name in recipe_names() if name not in {*MODEL_IS_MADE, ON_PROMPTS}]


@pytest.fixture
def film(tmp_path):
    """A copy of film-7b, to change."""
    shutil.copytree(find_recipe("film-7b").path, tmp_path / "film-7b")
    return tmp_path / "film-7b"


def test_the_full_run_is_the_papers():
    plan = plan_recipe(find_recipe("film-7b"))
    run = plan.runs[0]
    assert (run.examples, run.steps) == (1_750_000, 13_672)
    assert run.tokens == pytest.approx(26e9, rel=0.01)
    assert [one.gpus for one in run.machines] == [1, 8, 16, 32, 64, 128]
    assert {one.accumulation * one.gpus for one in run.machines} == {128}
    shape, setup = run.model.shape, run.file.setup(128, run.model.shape)
    at_the_peak = seconds(shape, run.facts.lengths, setup, GPUS["A100-80G"], mfu=1, efficiency=1) / len(
        run.facts.lengths
    )
    assert at_the_peak * run.examples * 128 / 86_400 / PAPER_GPU_DAYS == pytest.approx(PAPER_MFU, abs=0.005)
    on_128 = run.machines[-1]
    assert on_128.days_at_the_papers_pace * 128 == pytest.approx(PAPER_GPU_DAYS, rel=0.05)
    assert on_128.days < on_128.days_at_the_papers_pace


def test_the_1_percent_run_takes_a_hundredth():
    whole, part = (plan_recipe(find_recipe(name), gpus=8).runs[0] for name in ("film-7b", "film-7b-1pct"))
    assert part.steps == 137
    assert part.machines[0].seconds == pytest.approx(whole.machines[0].seconds / 100, rel=0.01)
    assert 2.9 < part.machines[0].days_at_the_papers_pace * 8 < 3.2


@pytest.mark.parametrize("name", OF_THE_PACKAGE)
def test_every_recipe_can_be_planned_and_fits_its_gpus(name):
    plan = plan_recipe(find_recipe(name))
    for run in plan.runs:
        assert run.file.launch, f"{run.file.path}: no comment like `1 x 8 x 16 GPUs = 128`"
        (own,) = plan_recipe(find_recipe(name), gpus=run.file.launch.gpus).runs[plan.runs.index(run)].machines
        assert own.batch == run.file.launch.batch
        assert own.accumulation == run.file.launch.accumulation
        assert own.memory.total < run.gpu.memory
        assert own.days < 20
    assert len(list(plan_lines(plan))) > 8 * len(plan.runs)
    assert short_plan(find_recipe(name))


def test_time_on_prompts_is_not_estimated():
    plan = plan_recipe(find_recipe(ON_PROMPTS))
    (run,) = plan.runs
    assert (run.examples, run.steps, run.machines) == (2_000, 250, ())
    assert run.file.launch.batch == 64
    (line,) = [line for line in plan_lines(plan) if line.startswith("time and memory")]
    assert "not estimated" in line
    assert as_json(plan)["runs"][0]["tokens"] is None
    assert short_plan(find_recipe(ON_PROMPTS)) == "8 x A100-80G, time not estimated"


def test_faster_gpus_take_less_time_and_the_same_memory():
    slow, fast = (plan_recipe(find_recipe("qwen3-8b"), gpus=8, gpu=gpu).runs[0] for gpu in ("A100-80G", "H200"))
    assert slow.machines[0].seconds / fast.machines[0].seconds == pytest.approx(989 / 312)
    assert slow.machines[0].memory == fast.machines[0].memory


def test_a_step_that_cannot_be_divided_is_an_error():
    with pytest.raises(ConfigError, match="128 examples cannot be divided evenly among 24 GPUs; use 1, 2, 4, 8, 16"):
        plan_recipe(find_recipe("film-7b"), gpus=24)
    table = list(plan_lines(plan_recipe(find_recipe("qlora-24gb"))))
    assert any("a step of 16 examples cannot be divided evenly" in line for line in table)


def test_context_parallel_gpus_share_a_row():
    runs = {run.file.path.name: run for run in plan_recipe(find_recipe("yarn-64k"), gpus=8).runs}
    parallel, alone = runs["axolotl-context-parallel.yml"], runs["axolotl.yml"]
    assert parallel.file.launch.per_row > 1
    assert parallel.file.setup(8, parallel.model.shape).replicas == 8 / parallel.file.launch.per_row
    assert parallel.machines[0].batch == alone.machines[0].batch
    assert parallel.machines[0].accumulation > alone.machines[0].accumulation


def test_an_unknown_model_is_an_error(film):
    replace_in(film / "axolotl.yml", "base_model: mistralai/Mistral-7B-Instruct-v0.2", "base_model: nobody/has-this")
    with pytest.raises(ConfigError, match=r"cannot read the base model `nobody/has-this`.* `--base-model FOLDER`"):
        plan_recipe(RecipeFolder(film))


def test_a_models_folder_is_read(film, tmp_path):
    config = {**CONFIGS["Qwen/Qwen3-4B"], "num_hidden_layers": 2}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/config.json").write_text(json.dumps(config))
    run = plan_recipe(RecipeFolder(film), gpus=8, base_model=str(tmp_path / "mine")).runs[0]
    assert (run.model.shape.layers, run.model.source) == (2, "read from its config.json")


def test_a_built_dataset_is_counted_and_not_planned(film, built):
    (film / "data").mkdir()
    (film / "data/film-7b").symlink_to(built)
    run = plan_recipe(RecipeFolder(film), gpus=8).runs[0]
    assert run.facts.is_in2
    assert run.examples == 130
    assert run.facts.longest <= 2_048
