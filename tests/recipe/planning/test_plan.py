"""`plan`: memory, days, steps, money, against what the paper states and what preflight derives."""

import json
import re
import shutil

import pytest
import yaml

from in2_plugin.config import BuildConfig
from in2_plugin.errors import ConfigError
from in2_plugin.preflight.costs import GIB, GPUS, seconds
from in2_plugin.recipe.folder import RecipeFolder, find_recipe, recipe_names
from in2_plugin.recipe.planning.assumed_data import planned_data
from in2_plugin.recipe.planning.plan import PAPER_GPU_DAYS, PAPER_MFU, plan_recipe, short_plan
from in2_plugin.recipe.planning.published_models import CONFIGS, adapter_weights, dense_shape
from in2_plugin.recipe.planning.question_cost import question_cost
from in2_plugin.recipe.planning.text import as_json, plan_lines
from in2_plugin.recipe.training_file import read_training_file
from tests.support.e2e_run import ROOT

PUBLISHED = {"mistralai/Mistral-7B-Instruct-v0.2": 7_241_732_096, "meta-llama/Llama-3.1-8B-Instruct": 8_030_261_248,
             "Qwen/Qwen3-4B": 4_022_468_096, "Qwen/Qwen3-8B": 8_190_735_360}  # fmt: skip
"""Parameters as the makers' files have them."""
OF_THE_PACKAGE = [name for name in recipe_names() if name != "smoke"]


@pytest.fixture
def film(tmp_path):
    """film-7b, to change."""
    shutil.copytree(ROOT / "recipes/film-7b", tmp_path / "film-7b")
    return tmp_path / "film-7b"


def change(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", CONFIGS)
def test_shapes_are_those_that_transformers_builds(name):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from in2_plugin.preflight.shape import shape_of

    config = AutoConfig.for_model(**CONFIGS[name])
    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(config)
    assert dense_shape(CONFIGS[name]) == shape_of(config, skeleton)
    assert PUBLISHED.get(name, skeleton.num_parameters()) == skeleton.num_parameters()


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


def test_one_percent_takes_a_hundredth():
    whole, part = (plan_recipe(find_recipe(name), gpus=8).runs[0] for name in ("film-7b", "film-7b-1pct"))
    assert part.steps == 137
    assert part.machines[0].seconds == pytest.approx(whole.machines[0].seconds / 100, rel=0.01)
    assert 2.9 < part.machines[0].days_at_the_papers_pace * 8 < 3.2


@pytest.mark.parametrize("name", OF_THE_PACKAGE)
def test_every_recipe_can_be_planned_and_fits_its_gpus(name):
    plan = plan_recipe(find_recipe(name))
    for run in plan.runs:
        assert run.file.launch, f"{run.file.path}: no remark like `1 x 8 x 16 GPUs = 128`"
        (own,) = plan_recipe(find_recipe(name), gpus=run.file.launch.gpus).runs[plan.runs.index(run)].machines
        assert own.batch == run.file.launch.batch
        assert own.accumulation == run.file.launch.accumulation
        assert own.memory.total < run.gpu.memory
        assert own.days < 20
    assert len(list(plan_lines(plan))) > 8 * len(plan.runs)
    assert short_plan(find_recipe(name))


def test_the_guide_shows_what_is_printed():
    guide = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```\n(film-7b: .*?)```", guide, re.DOTALL)
    printed = "\n".join(plan_lines(plan_recipe(find_recipe("film-7b"))))
    assert printed.startswith(shown.rstrip())


def test_json_has_the_figures():
    found = json.loads(json.dumps(as_json(plan_recipe(find_recipe("film-7b"), gpus=16, gpu="h100-80g"))))
    run = found["runs"][0]
    assert run["gpu"] == "H100-80G"
    assert run["machines"][0]["memory"]["total"] < 20 * GIB
    assert found["questions"]["calls"] == 1_550_000
    assert 200 < found["questions"]["money"] < 250


def test_faster_gpus_take_less_time_and_the_same_memory():
    slow, fast = (plan_recipe(find_recipe("qwen3-8b"), gpus=8, gpu=gpu).runs[0] for gpu in ("A100-80G", "H200"))
    assert slow.machines[0].seconds / fast.machines[0].seconds == pytest.approx(989 / 312)
    assert slow.machines[0].memory == fast.machines[0].memory


def test_a_step_that_cannot_be_shared_is_said():
    with pytest.raises(ConfigError, match="128 examples cannot be shared evenly by 24 GPUs; take 1, 2, 4, 8, 16"):
        plan_recipe(find_recipe("film-7b"), gpus=24)
    table = list(plan_lines(plan_recipe(find_recipe("qlora-24gb"))))
    assert any("a step of 16 examples cannot be shared evenly" in line for line in table)


def test_adapters_are_counted_as_their_matrices():
    shape = dense_shape(CONFIGS["mistralai/Mistral-7B-Instruct-v0.2"])
    file = read_training_file(ROOT / "recipes/lora-80gb/axolotl.yml")
    each = 4_096 + 4_096, 4_096 + 1_024, 4_096 + 1_024, 4_096 + 4_096, *[4_096 + 14_336] * 3
    assert file.adapter(shape) == file.cfg.lora_r * 32 * sum(each)
    assert adapter_weights(shape, 8, frozenset({"q_proj"})) == 8 * 32 * 8_192
    assert file.setup(1, shape).trained == file.adapter(shape)


def test_context_parallel_gpus_share_a_row():
    runs = {run.file.path.name: run for run in plan_recipe(find_recipe("yarn-64k"), gpus=8).runs}
    parallel, alone = runs["axolotl-context-parallel.yml"], runs["axolotl.yml"]
    assert parallel.file.launch.a_row > 1
    assert parallel.file.setup(8, parallel.model.shape).replicas == 8 / parallel.file.launch.a_row
    assert parallel.machines[0].batch == alone.machines[0].batch
    assert parallel.machines[0].accumulation > alone.machines[0].accumulation


def test_an_unknown_model_is_one_sentence(film):
    change(film / "axolotl.yml", "base_model: mistralai/Mistral-7B-Instruct-v0.2", "base_model: nobody/has-this")
    with pytest.raises(ConfigError, match=r"`nobody/has-this` cannot be read .* `--base-model FOLDER`"):
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


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("deepspeed: zero3-offload.json", "deepspeed: zero9.json", "`deepspeed: zero9.json` is no file beside it"),
        ("base_model: mistralai", "other_model: mistralai", "names no model"),
    ],
)
def test_a_file_that_cannot_be_planned_is_one_sentence(film, old, new, said):
    change(film / "axolotl.yml", old, new)
    with pytest.raises(ConfigError, match=said):
        plan_recipe(RecipeFolder(film))


def config(**changes) -> BuildConfig:
    endpoint = {"model": "m", "prices": {"input": 1.0, "output": 10.0}}
    questions = {"writer": "endpoint", "endpoint": endpoint, **changes.pop("questions", {})}
    mixture = {"fine_grained": 1_000, "integration": 100, "short_context": 0}
    return BuildConfig.parse(
        {"output": "o", "tokenizer": "t", "mixture": mixture, "questions": questions, **changes}, "t"
    )


def test_money_is_tokens_times_prices():
    cost = question_cost(config())
    assert cost.calls == 1_100
    assert cost.writer.input_tokens == 1_000 * (250 + 160) + 100 * (357 + 600)
    assert cost.money == pytest.approx((cost.writer.input_tokens + 10 * cost.writer.output_tokens) / 1e6)
    several = question_cost(config(questions={"questions_per_call": 4}))
    assert several.calls == 275
    assert several.writer.output_tokens == cost.writer.output_tokens


def test_checks_by_a_judge_are_calls_and_a_judge_without_prices_leaves_money_out():
    verify = {"fine_grained": ["answerable"], "integration": ["needs_all"]}
    assert question_cost(config(questions={"verify": verify})).calls == 1_100 + 1_000 + 2 * 100
    unpaid = question_cost(config(questions={"verify": {**verify, "judge": {"model": "j"}}}))
    assert unpaid.money is None


def test_an_extractive_writer_costs_nothing():
    cost = question_cost(config(questions={"writer": "extractive"}))
    assert (cost.questions, cost.calls) == (1_100, 0)


@pytest.mark.parametrize("turns", [1, 4])
def test_several_questions_a_context_are_fewer_examples(turns):
    data = planned_data(config(questions_per_context=turns))
    assert data.long == 1_100 // turns
    assert data.answers().max() == 512 * turns


def test_planned_lengths_are_uniform_between_the_bounds():
    data = planned_data(config(lengths={"min": 1_000, "max": 3_000}))
    lengths = data.lengths()
    assert (lengths.min(), lengths.max()) == (1_000, 3_000)
    assert lengths.mean() == pytest.approx(2_000, rel=0.01)
    assert data.tokens == pytest.approx(1_100 * 2_000, rel=0.01)


@pytest.mark.slow
def test_a_planned_setup_is_that_of_the_validated_file():
    """What plan reads from the text is what preflight derives after Axolotl's validation."""
    from in2_plugin.preflight.training_setup import setup_of
    from in2_plugin.recipe.base_model import readable_model
    from in2_plugin.recipe.checks.training import validated

    seen = 0
    for path in sorted((ROOT / "recipes").glob("*/axolotl*.yml")):
        file = read_training_file(path)
        if file.base_model not in CONFIGS or file.cfg.context_parallel_size:
            continue
        data = planned_data(BuildConfig.parse(yaml.safe_load((path.parent / "build.yml").read_text()), "t"))
        shape = dense_shape(CONFIGS[file.base_model])
        with readable_model(file.base_model) as model:
            cfg = validated(file.path, model, data.facts("d", None), ())
        cfg.deepspeed = file.cfg.deepspeed
        assert file.setup(8, shape) == setup_of(cfg, 8, file.adapter(shape)), path
        seen += 1
    assert seen > 10
