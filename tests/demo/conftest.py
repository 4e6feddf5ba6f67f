"""A recipe with a demo, and the request to run it."""

from pathlib import Path

import pytest
import yaml

from in2_plugin.demo.plan import DemoRequest
from in2_plugin.demo.settings import load_settings
from in2_plugin.demo.speed import MachineSpeed

SETTINGS = {
    "model": "tiny",
    "trainer": "axolotl",
    "speed": 100.0,
    "short": {
        "probe": {"documents": 5},
        "evaluation": {"metadata": {"probe_length": 1024}, "max_gen_toks": 8},
        "rounds": [{"name": "1K", "build": {"mixture": {"integration": 0}}, "sft": {"max_steps": 3}}],
        "seconds": {"probe": 10, "before": 60, "train": 120},
    },
    "full": {"rounds": [{"name": "1K"}, {"name": "4K", "build": {"lengths": {"max": 4096}}}]},
}
FILES = {
    "demo.yml": SETTINGS,
    "probe.yml": {"output": "p", "tokenizer": "t", "documents": 40, "corpus": {"segment_tokens": 64}},
    "build.yml": {"output": "d", "tokenizer": "t", "mixture": {"fine_grained": 9, "integration": 9}},
    "axolotl.yml": {"base_model": "t", "learning_rate": 0.001},
    "sft.yml": {"model_name_or_path": "t", "learning_rate": 0.001},
}
CPU = MachineSpeed("cpu", "float32", 2, 50.0, 620_416)


@pytest.fixture
def recipe(tmp_path) -> Path:
    folder = tmp_path / "recipe"
    folder.mkdir()
    for name, values in FILES.items():
        (folder / name).write_text(yaml.safe_dump(values))
    return folder


@pytest.fixture
def request_of(recipe):
    """Return a function that makes a request; keyword arguments replace its fields."""

    def of(**fields) -> DemoRequest:
        values = {"is_full": False, "corpus": None, "model": None, **fields}
        return DemoRequest(recipe, load_settings(recipe), **values)

    return of
