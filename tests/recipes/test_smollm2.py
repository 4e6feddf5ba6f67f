"""The two recipes of SmolLM2-135M: commented values, equal settings of both trainers, and the sizes of `in2 demo`."""

import pytest
import yaml

from in2_plugin.config import BuildConfig
from in2_plugin.demo.settings import changed, load_settings
from in2_plugin.models.registry import MODELS
from in2_plugin.recipe.folder import find_recipe
from in2_plugin.recipe.training_file import read_training_file
from tests.support.recipe_comments import value_comments

FOLDERS = {name: find_recipe(name).path for name in ("smollm2-135m", "smollm2-135m-4k")}
SAME = (
    "learning_rate", "adam_beta1", "adam_beta2", "weight_decay", "max_grad_norm", "seed", "save_steps", "logging_steps",
    "bf16", "gradient_checkpointing", "gradient_accumulation_steps",
)  # fmt: skip


def read(name: str, file: str) -> dict:
    return yaml.safe_load((FOLDERS[name] / file).read_text())


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("file", ["build.yml", "axolotl.yml", "sft.yml"])
def test_every_value_says_where_it_comes_from(name, file):
    assert len(list(value_comments((FOLDERS[name] / file).read_text()))) > 10


@pytest.mark.parametrize("name", FOLDERS)
def test_both_trainers_have_the_same_settings(name):
    axolotl, trl = read(name, "axolotl.yml"), read(name, "sft.yml")
    assert {key: axolotl[key] for key in SAME} == {key: trl[key] for key in SAME}
    assert axolotl["warmup_ratio"] == trl["warmup_steps"] and axolotl["lr_scheduler"] == trl["lr_scheduler_type"]
    assert axolotl["micro_batch_size"] == trl["per_device_train_batch_size"]
    assert axolotl["base_model"] == trl["model_name_or_path"] == read(name, "build.yml")["tokenizer"]


@pytest.mark.parametrize("name", FOLDERS)
def test_steps_and_batch_are_those_of_the_comments(name):
    build = BuildConfig.parse(read(name, "build.yml"), name)
    launch = read_training_file(FOLDERS[name] / "axolotl.yml").launch
    contexts = build.mixture.fine_grained // build.questions_per_context
    assert (contexts // launch.batch, launch.batch) == {"smollm2-135m": (400, 1), "smollm2-135m-4k": (20, 2)}[name]


def test_the_full_demo_has_the_values_of_the_recipes():
    """Each value is at one place, or the places agree."""
    settings = load_settings(FOLDERS["smollm2-135m"])
    assert settings.model in MODELS
    for training_round, name in zip(settings.full.rounds, FOLDERS, strict=True):
        wired = ("output", "tokenizer")
        build = {key: value for key, value in read(name, "build.yml").items() if key not in wired}
        first = {key: value for key, value in read("smollm2-135m", "build.yml").items() if key not in wired}
        assert changed(first, training_round.build) == build
        axolotl = read(name, "axolotl.yml")
        assert {key: axolotl[key] for key in training_round.axolotl} == training_round.axolotl
