"""Check the affordable recipes with the validators of the tools that read them, and their figures with preflight.

Models are folders with the real config.json and no weights; no network, no GPU.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from in2_plugin.config import load_build_config
from in2_plugin.preflight.checks import findings_of
from in2_plugin.preflight.costs import GIB, GPUS, memory
from in2_plugin.preflight.findings import Case
from in2_plugin.preflight.loading import load_config
from in2_plugin.preflight.shape import read_model
from in2_plugin.preflight.training_setup import setup_of
from in2_plugin.recipe.folder import find_recipe
from in2_plugin.recipe.overlay import SCHEMA
from in2_plugin.recipe.planning.assumed_data import MOST_ANSWER_TOKENS, planned_data
from in2_plugin.recipe.planning.published_models import CONFIGS
from in2_plugin.recipe.training_file import read_training_file
from in2_plugin.training.axolotl.context_parallel import uses_ring_flash_attn
from tests.support import ROOT
from tests.support.recipe_comments import value_comments

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

NAMES = ("lora-80gb", "qlora-24gb", "llama-3.1-8b", "qwen3-4b", "qwen3-8b", "yarn-64k", "yarn-128k", "trl-zero3")
ON_PROMPTS = "grpo-qwen3-4b"
FOLDERS = {name: find_recipe(name).path for name in (*NAMES, ON_PROMPTS)}
AXOLOTL = [(name, file.name) for name in NAMES for file in sorted(FOLDERS[name].glob("axolotl*.yml"))]
EXAMPLES = {"qlora-24gb": 8_750, "yarn-128k": 8_750}
BATCH = {"lora-80gb": 32, "qlora-24gb": 16, "yarn-128k": 32, "trl-zero3": 128}
FACTOR = {"yarn-64k": 2, "yarn-128k": 4}
"""Of YaRN, on the native window of 32,768 tokens."""
SECTIONS = (
    "Needed", "Run", "Cost", "What to expect", "Where the values come from", "If it goes wrong",
)  # fmt: skip


def written(name: str, file: str) -> dict:
    return yaml.safe_load((FOLDERS[name] / file).read_text())


@pytest.fixture
def validated(tmp_path, built, monkeypatch):
    """Validate a recipe's file with Axolotl, with a model folder without weights and a small dataset."""

    manager = pytest.importorskip("axolotl.integrations.base").PluginManager.get_instance()

    def validated(name: str, file: str = "axolotl.yml"):
        manager.plugins.clear()
        shutil.copytree(FOLDERS[name], tmp_path / name, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path / name)  # `deepspeed: zero3.json` is read from there
        values = written(name, file)
        (tmp_path / "model").mkdir()
        (tmp_path / "model/config.json").write_text(json.dumps(CONFIGS[values["base_model"]]))
        values["base_model"] = str(tmp_path / "model")
        values["datasets"][0]["path"] = str(built)
        Path(file).write_text(yaml.safe_dump(values, sort_keys=False))
        return load_config(Path(file))

    return validated


@pytest.mark.parametrize(("name", "file"), AXOLOTL)
def test_axolotl_accepts_the_file_and_preflight_counts_as_the_readme(validated, name, file):
    if "parallel" in file and uses_ring_flash_attn():
        pytest.skip("Axolotl 0.19 refuses the file")
    training, cfg = read_training_file(FOLDERS[name] / file), validated(name, file)
    model = read_model(cfg)
    setup = setup_of(cfg, training.launch.gpus, model.adapter)
    assert setup.batch == BATCH.get(name, 64)
    assert setup == training.setup(training.launch.gpus, model.shape)
    planned = planned_data(load_build_config(FOLDERS[name] / "build.yml"))
    need = memory(model.shape, setup, planned.longest, MOST_ANSWER_TOKENS)
    what = f"the same with {file}" if "parallel" in file else "memory per GPU"
    card = 24 if name == "qlora-24gb" else 80
    assert f"| {what} | {need.total / GIB:.0f} GiB of {card} | computed |" in readme(name)
    case = Case(cfg, model, setup, GPUS[training.gpu], (planned.facts("in2", cfg.sequence_len),), need)
    assert [finding for finding in findings_of(case) if finding.level != "note"] == []


def readme(name: str) -> str:
    return (FOLDERS[name] / "README.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_the_dataset_fits_its_trainer(name):
    build = load_build_config(FOLDERS[name] / "build.yml")
    assert sum(build.mixture.counts().values()) == EXAMPLES.get(name, 17_500)
    if name == "trl-zero3":
        values = written(name, "sft.yml")
        assert (values["datasets"][0]["data_dir"], values["model_name_or_path"]) == (str(build.output), build.tokenizer)
        return
    for file in FOLDERS[name].glob("axolotl*.yml"):
        values = yaml.safe_load(file.read_text())
        assert values["sequence_len"] == build.lengths.max
        assert (values["datasets"][0]["path"], values["base_model"]) == (str(build.output), build.tokenizer)


def test_prompts_and_completions_of_grpo_fit_its_window():
    """Also with the number of each segment, about five tokens, and the prompt's own text."""
    build, values = load_build_config(FOLDERS[ON_PROMPTS] / "build.yml"), written(ON_PROMPTS, "axolotl.yml")
    assert (values["datasets"][0]["path"], values["base_model"]) == (str(build.output), build.tokenizer)
    numbers = 5 * build.lengths.max / build.corpus.segment_tokens
    assert build.lengths.max + numbers + 200 + values["trl"]["max_completion_length"] < values["sequence_len"]
    assert values["sequence_len"] < values["vllm"]["max_model_len"]
    assert not build.mixture.general


@pytest.mark.parametrize("name", FOLDERS)
def test_every_value_says_where_it_comes_from(name):
    for file in FOLDERS[name].glob("*.yml"):
        found = list(value_comments(file.read_text()))
        assert len(found) > 10 and {comment.origin for comment in found} <= {"paper", "ours"}
        rates = [comment for comment in found if comment.key == "learning_rate"]
        assert all(comment.origin == "paper" or "not tuned" in comment.reason for comment in rates)


@pytest.mark.parametrize("line", ["a: 1", "a: 1 # because", "- {b: 2}  # paper:", "a: # ours: no value\n  b: 1"])
def test_a_value_without_a_source_is_an_error(line):
    with pytest.raises(ValueError, match="has neither"):
        list(value_comments(line))


def test_comments_carry_their_sections():
    text = "a:\n  - b: x  # ours: i\n    c: {d: 1}  # paper: j\n  - y  # ours: k\ne: 2  # paper: l\n"
    assert [(found.key, found.value, found.origin, found.reason) for found in value_comments(text)] == [
        ("a.b", "x", "ours", "i"), ("a.c", "{d: 1}", "paper", "j"), ("a", "y", "ours", "k"), ("e", "2", "paper", "l"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_the_readme_has_its_sections_and_names_every_file(name):
    text = readme(name)
    places = [text.index(f"\n## {section}\n") for section in SECTIONS]
    assert text.startswith("# ") and "\nWhat it is for: " in text and places == sorted(places)
    assert "Nothing here was run on GPUs by us." in text and "Nobody has run this" in text
    assert all(file.name in text for file in FOLDERS[name].iterdir() if file.name not in ("README.md", SCHEMA))
    costs = text[places[2] : places[3]]
    assert all(row.count("|") == 4 and row.split("|")[3].strip() for row in costs.splitlines() if row.startswith("|"))


@pytest.mark.parametrize("name", [name for name in NAMES if (FOLDERS[name] / "zero3.json").exists()])
def test_deepspeed_accepts_its_file(name):
    from deepspeed.runtime.config import DeepSpeedConfig

    values = json.loads((FOLDERS[name] / "zero3.json").read_text())
    batch = {"train_batch_size": 4, "train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 4}
    # the values that transformers fills in for `auto`
    zero = {key: 10**6 if value == "auto" else value for key, value in values["zero_optimization"].items()}
    config = DeepSpeedConfig({**values, **batch, "gradient_clipping": 1.0, "zero_optimization": zero})
    assert config.zero_config.stage == 3 and config.zero_config.offload_optimizer is None
    assert config.zero_config.gather_16bit_weights_on_model_save


def test_trl_and_accelerate_accept_their_files(monkeypatch):
    from accelerate.commands.config.config_args import load_config_from_file
    from transformers.trainer_utils import SchedulerType

    from in2_plugin.training.trl.arguments import parse
    from in2_plugin.training.trl.launch import launch_options
    from in2_plugin.training.trl.settings import refuse_incompatible

    monkeypatch.chdir(FOLDERS["trl-zero3"])
    arguments = parse(["--config", "sft.yml", "--use_cpu", "true", "--bf16", "false"])
    refuse_incompatible(arguments.training, 32_768)
    assert launch_options(arguments.launch) == ["--config_file", "accelerate.yml"]
    assert arguments.training.lr_scheduler_type == SchedulerType.COSINE and arguments.training.warmup_steps == 0.03
    launch = load_config_from_file("accelerate.yml")
    assert launch.deepspeed_config["zero_stage"] == 3 and launch.mixed_precision == "bf16"
    rows = arguments.training.per_device_train_batch_size * arguments.training.gradient_accumulation_steps
    assert rows * launch.num_processes == 128


@pytest.mark.parametrize("name", FACTOR)
def test_yarn_is_what_transformers_computes(validated, name):
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config, factor = read_model(validated(name)).config, FACTOR[name]
    assert config.rope_parameters["rope_type"] == "yarn" and config.max_position_embeddings == 32_768 * factor
    scaled, scale = ROPE_INIT_FUNCTIONS["yarn"](config, "cpu")
    plain = 1e6 ** (-(2 / config.head_dim) * 63)
    # the lowest frequency is divided by the whole factor, the highest stays
    assert float(scaled[-1]) == pytest.approx(plain / factor) and float(scaled[0]) == 1 and scale > 1


@pytest.mark.parametrize("name", NAMES)
def test_eval_runs_existing_tasks_in_the_format_of_the_training(name, tmp_path):
    from lm_eval._cli.run import MergeDictAction  # the parser of --model_args

    asked = asked_of_lm_eval(name, tmp_path, "some/model", "results")
    tasks = {file.stem for file in (ROOT / "lm_eval_tasks/val_probe").glob("*.yaml")}
    assert set(asked["--tasks"].split(",")) <= tasks
    longest = max(int(size) for size in re.findall(r"_(\d+)k", asked["--tasks"])) * 1_024
    assert longest == load_build_config(FOLDERS[name] / "build.yml").lengths.max
    space = SimpleNamespace()
    MergeDictAction(["--model_args"], "model_args")(None, space, [asked["--model_args"]])
    given = space.model_args
    assert given["pretrained"] == "some/model" and given["max_length"] >= longest
    build = load_build_config(FOLDERS[name] / "build.yml")
    assert ("--apply_chat_template" in asked) == (build.template == "chat")
    assert (asked.get("--metadata") == '{"probe_template": "film"}') == (build.template == "film")
    assert given.get("enable_thinking") is (False if "Qwen3" in build.tokenizer else None)
    if name in FACTOR:
        overrides = written(name, "axolotl.yml")["overrides_of_model_config"]
        assert {key: given[key] for key in overrides} == overrides


def asked_of_lm_eval(name: str, tmp_path: Path, *words: str) -> dict[str, str]:
    """Return the options that eval.sh gives to `in2`; a fake program records them."""
    stand_in = tmp_path / "in2"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    stand_in.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [FOLDERS[name] / "eval.sh", *words], env=environment, capture_output=True, text=True, check=True
    )
    said = done.stdout.split("\0")[:-1]
    assert said[0] == "lm-eval"
    return {word: following for word, following in zip(said, [*said[1:], ""], strict=True) if word.startswith("--")}
