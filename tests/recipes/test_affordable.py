"""The affordable recipes with the validators of the tools that read them, and their figures with preflight.

Models are folders with the config.json of the real ones and no weights; no network, no GPU.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from recipe_texts import affordable, affordable_costs
from recipe_texts.affordable_costs import MOST_ANSWER_TOKENS
from recipe_texts.affordable_table import RECIPES as TABLE
from recipe_texts.remarks import remarks

from in2_plugin.config import load_build_config
from in2_plugin.preflight.checks import findings_of
from in2_plugin.preflight.costs import GIB, GPUS, memory
from in2_plugin.preflight.dataset_summary import DatasetSummary
from in2_plugin.preflight.findings import Case
from in2_plugin.preflight.loading import load_config
from in2_plugin.preflight.training_setup import setup_of
from in2_plugin.preflight.shape import read_model
from in2_plugin.recipe.planning.published_models import CONFIGS
from tests.support import ROOT

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

RECIPES = ROOT / "recipes"
NAMES = [recipe.name for recipe in TABLE]
BY_NAME = {recipe.name: recipe for recipe in TABLE}
AXOLOTL = [(name, file.name) for name in NAMES for file in sorted((RECIPES / name).glob("axolotl*.yml"))]
SECTIONS = (
    "Needed", "Run", "Cost", "What to expect", "Where the values come from", "If it goes wrong",
)  # fmt: skip


def written(name: str, file: str) -> dict:
    return yaml.safe_load((RECIPES / name / file).read_text())


@pytest.fixture
def validated(tmp_path, built, monkeypatch):
    """Axolotl's own validation of a recipe's file, with a model folder without weights and a small dataset."""

    def validated(name: str, file: str = "axolotl.yml"):
        from axolotl.integrations.base import PluginManager

        PluginManager.get_instance().plugins.clear()
        shutil.copytree(RECIPES / name, tmp_path / name, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path / name)  # `deepspeed: zero3.json` is read from there
        # Axolotl only looks whether the package is there, which needs a GPU to be installed
        monkeypatch.setitem(sys.modules, "ring_flash_attn", ModuleType("ring_flash_attn"))
        values = written(name, file)
        (tmp_path / "model").mkdir()
        (tmp_path / "model/config.json").write_text(json.dumps(CONFIGS[values["base_model"]]))
        values["base_model"] = str(tmp_path / "model")
        values["datasets"][0]["path"] = str(built)
        Path(file).write_text(yaml.safe_dump(values, sort_keys=False))
        return load_config(Path(file))

    return validated


def test_every_folder_is_what_the_script_writes():
    for name, files in affordable.folders().items():
        assert {path.name: path.read_text() for path in (RECIPES / name).iterdir()} == files, name


@pytest.mark.parametrize(("name", "file"), AXOLOTL)
def test_axolotl_takes_the_file_and_preflight_counts_as_the_readme(validated, name, file):
    recipe, cfg = BY_NAME[name], validated(name, file)
    model = read_model(cfg)
    setup = setup_of(cfg, recipe.gpus, model.adapter)
    assert setup.batch == recipe.batch
    planned = affordable_costs.in_parts(recipe.setup, recipe.in_parts) if "parallel" in file else recipe.setup
    need, said = (memory(model.shape, one, recipe.longest, MOST_ANSWER_TOKENS) for one in (setup, planned))
    assert need == said
    what = f"the same with {file}" if "parallel" in file else "memory a GPU"
    assert f"| {what} | {need.total / GIB:.0f} GiB of {recipe.card} | computed |" in readme(name)
    lengths = affordable_costs.lengths(recipe.longest)
    facts = DatasetSummary("in2", "in2", len(lengths), len(lengths), "all", lengths, lengths // 100, recipe.longest)
    case = Case(cfg, model, setup, GPUS[written(name, file)["in2"]["gpu"]], (facts,), need)
    assert [finding for finding in findings_of(case) if finding.level != "note"] == []


def readme(name: str) -> str:
    return (RECIPES / name / "README.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_dataset_fits_its_trainer(name):
    build = load_build_config(RECIPES / name / "build.yml")
    assert sum(build.mixture.counts().values()) == BY_NAME[name].examples
    if BY_NAME[name].trl:
        values = written(name, "sft.yml")
        assert (values["datasets"][0]["data_dir"], values["model_name_or_path"]) == (str(build.output), build.tokenizer)
        return
    for file in (RECIPES / name).glob("axolotl*.yml"):
        values = yaml.safe_load(file.read_text())
        assert values["sequence_len"] == build.lengths.max
        assert (values["datasets"][0]["path"], values["base_model"]) == (str(build.output), build.tokenizer)


@pytest.mark.parametrize("name", NAMES)
def test_every_value_says_where_it_comes_from(name):
    for file in (RECIPES / name).glob("*.yml"):
        said = list(remarks(file.read_text()))
        assert len(said) > 10 and {remark.origin for remark in said} <= {"paper", "ours"}
        rates = [remark for remark in said if remark.key == "learning_rate"]
        assert all(remark.origin == "paper" or "not searched" in remark.why for remark in rates)
        if not file.name.startswith("axolotl-"):
            assert all(f"| `{remark.key}` | `{remark.value}` | {remark.origin} |" in readme(name) for remark in said)


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_has_its_sections_and_names_every_file(name):
    text = readme(name)
    places = [text.index(f"\n## {section}\n") for section in SECTIONS]
    assert text.startswith("# ") and "\nWhat it is for: " in text and places == sorted(places)
    assert "Nothing here was run on GPUs by us." in text and "Nobody has run this" in text
    assert all(file.name in text for file in (RECIPES / name).iterdir() if file.name != "README.md")
    costs = text[places[2] : places[3]]
    assert all(row.count("|") == 4 and row.split("|")[3].strip() for row in costs.splitlines() if row.startswith("|"))


@pytest.mark.parametrize("name", [recipe.name for recipe in TABLE if not recipe.rank and not recipe.trl])
def test_deepspeed_takes_its_file(name):
    from deepspeed.runtime.config import DeepSpeedConfig

    values = json.loads((RECIPES / name / "zero3.json").read_text())
    batch = {"train_batch_size": 4, "train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 4}
    # what transformers fills in for `auto`
    zero = {key: 10**6 if value == "auto" else value for key, value in values["zero_optimization"].items()}
    config = DeepSpeedConfig({**values, **batch, "gradient_clipping": 1.0, "zero_optimization": zero})
    assert config.zero_config.stage == 3 and config.zero_config.offload_optimizer is None
    assert config.zero_config.gather_16bit_weights_on_model_save


def test_trl_and_accelerate_take_their_files(monkeypatch):
    from accelerate.commands.config.config_args import load_config_from_file
    from transformers.trainer_utils import SchedulerType

    from in2_plugin.training.trl.arguments import parse
    from in2_plugin.training.trl.launch import launch_options
    from in2_plugin.training.trl.settings import refuse_unfit

    monkeypatch.chdir(RECIPES / "trl-zero3")
    arguments = parse(["--config", "sft.yml", "--use_cpu", "true", "--bf16", "false"])
    refuse_unfit(arguments.training, 32_768)
    assert launch_options(arguments.launch) == ["--config_file", "accelerate.yml"]
    assert arguments.training.lr_scheduler_type == SchedulerType.COSINE and arguments.training.warmup_steps == 0.03
    launch = load_config_from_file("accelerate.yml")
    assert launch.deepspeed_config["zero_stage"] == 3 and launch.mixed_precision == "bf16"
    rows = arguments.training.per_device_train_batch_size * arguments.training.gradient_accumulation_steps
    assert rows * launch.num_processes == 128


@pytest.mark.parametrize("name", [recipe.name for recipe in TABLE if recipe.factor > 1])
def test_yarn_is_what_transformers_computes(validated, name):
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config, factor = read_model(validated(name)).config, BY_NAME[name].factor
    assert config.rope_parameters["rope_type"] == "yarn" and config.max_position_embeddings == 32_768 * factor
    scaled, scale = ROPE_INIT_FUNCTIONS["yarn"](config, "cpu")
    plain = 1e6 ** (-(2 / config.head_dim) * 63)
    # the slowest wave is stretched by the whole factor, the fastest not at all
    assert float(scaled[-1]) == pytest.approx(plain / factor) and float(scaled[0]) == 1 and scale > 1


@pytest.mark.parametrize("name", NAMES)
def test_eval_asks_for_tasks_that_there_are_in_the_form_of_the_training(name, tmp_path):
    from lm_eval._cli.run import MergeDictAction  # what reads --model_args

    asked = asked_of_lm_eval(name, tmp_path, "some/model", "results")
    tasks = {file.stem for file in (ROOT / "lm_eval_tasks/val_probe").glob("*.yaml")}
    assert set(asked["--tasks"].split(",")) <= tasks
    longest = max(int(size) for size in re.findall(r"_(\d+)k", asked["--tasks"])) * 1_024
    assert longest == BY_NAME[name].longest
    space = SimpleNamespace()
    MergeDictAction(["--model_args"], "model_args")(None, space, [asked["--model_args"]])
    given = space.model_args
    assert given["pretrained"] == "some/model" and given["max_length"] >= longest
    build = load_build_config(RECIPES / name / "build.yml")
    assert ("--apply_chat_template" in asked) == (build.template == "chat")
    assert (asked.get("--metadata") == '{"probe_template": "film"}') == (build.template == "film")
    assert given.get("enable_thinking") is (False if "Qwen3" in build.tokenizer else None)
    if BY_NAME[name].factor > 1:
        overrides = written(name, "axolotl.yml")["overrides_of_model_config"]
        assert {key: given[key] for key in overrides} == overrides


def asked_of_lm_eval(name: str, tmp_path: Path, *words: str) -> dict[str, str]:
    """The options that eval.sh gives to `in2`, of which another program takes the place."""
    stand_in = tmp_path / "in2"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    stand_in.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [RECIPES / name / "eval.sh", *words], env=environment, capture_output=True, text=True, check=True
    )
    said = done.stdout.split("\0")[:-1]
    assert said[0] == "lm-eval"
    return {word: following for word, following in zip(said, [*said[1:], ""], strict=True) if word.startswith("--")}
