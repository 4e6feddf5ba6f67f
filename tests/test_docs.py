"""What the documentation tells people to write is what the program reads."""

import re

import pytest
import yaml

from in2_plugin.config import BuildConfig, EndpointConfig, QuestionsConfig
from in2_plugin.training.axolotl.args import IN2Options
from tests.support import ROOT

GUIDE = (ROOT / "docs/questions.md").read_text(encoding="utf-8")
DATA = (ROOT / "docs/data.md").read_text(encoding="utf-8")
AUDIT = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
TRAINING = (ROOT / "docs/training.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize(
    "block", blocks(GUIDE, "yaml") + blocks(DATA, "yaml") + blocks(AUDIT, "yaml") + blocks(README, "yaml")
)
def test_yaml_is_read(block):
    given = yaml.safe_load(block)
    if "plugins" in given:
        return  # Axolotl's file; the end-to-end tests run it
    if "mode" in given:
        assert EndpointConfig.parse({"model": "m", **given}, "docs").mode == given["mode"]
        return
    questions = {"writer": "endpoint", "endpoint": {"model": "m"}, **given.get("questions", {})}
    found = BuildConfig.parse({"output": "o", "tokenizer": "t", **given, "questions": questions}, "docs")
    assert found.questions == QuestionsConfig.parse(questions, "docs")


def test_there_are_blocks_to_read():
    assert len(blocks(GUIDE, "yaml")) == 6
    assert len(blocks(DATA, "yaml")) == 4
    assert len(blocks(README, "yaml")) == 3


def test_options_of_training_are_the_defaults():
    (block,) = blocks(TRAINING, "yaml")
    said = yaml.safe_load(block)["in2"]
    assert IN2Options.model_validate(said) == IN2Options()
    assert set(IN2Options.model_fields) - set(said) == {"gpu", "accept_keys"}
