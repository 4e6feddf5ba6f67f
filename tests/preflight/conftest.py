"""Fixtures: a model without weights, conversations, and Axolotl configs for them."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

MODEL = {
    "model_type": "mistral", "architectures": ["MistralForCausalLM"], "vocab_size": 32_000, "hidden_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128,
    "max_position_embeddings": 4_096, "sliding_window": None,
}  # fmt: skip
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]


@pytest.fixture
def only_listed_plugins(monkeypatch):
    """Let has_plugin answer as with Axolotl 0.19, which loads no entry points."""
    monkeypatch.setattr("in2_plugin.training.axolotl.plugins.loaded_unlisted", lambda: False)


@pytest.fixture(scope="session")
def model_folder(mistral_folder, tmp_path_factory) -> Path:
    """Mistral's tokenizer and a two-layer model without weights, which preflight must not load."""
    folder = tmp_path_factory.mktemp("model") / "model"
    shutil.copytree(mistral_folder, folder)
    (folder / "config.json").write_text(json.dumps(MODEL))
    return folder


@pytest.fixture(scope="session")
def chats(tmp_path_factory) -> Path:
    """Sixty conversations; every third has about 600 tokens, the others about 60."""
    path = tmp_path_factory.mktemp("chats") / "chats.jsonl"
    with path.open("w") as file:
        for i in range(60):
            asked = " ".join(WORDS[(i + j) % len(WORDS)] for j in range(600 if i % 3 == 0 else 60))
            answer = f"It is {i}, and {i + 1} follows."
            turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
            file.write(json.dumps({"messages": turns}) + "\n")
    return path


@pytest.fixture
def axolotl_file(model_folder, built, tmp_path):
    """Return a function that writes a config with changes; a value of None removes a key."""
    manager = pytest.importorskip("axolotl.integrations.base").PluginManager.get_instance()
    base = {
        "base_model": str(model_folder),
        "plugins": ["in2_plugin.axolotl.IN2Plugin"],
        "datasets": [{"path": str(built), "type": "in2"}],
        "sequence_len": 2_048,
        "micro_batch_size": 1,
        "gradient_accumulation_steps": 2,
        "num_epochs": 2,
        "learning_rate": 0.001,
        "output_dir": str(tmp_path / "out"),
        "bf16": True,
        "gradient_checkpointing": True,
        "seed": 1,
    }

    def write(**changes) -> Path:
        manager.plugins.clear()
        values = {key: value for key, value in {**base, **changes}.items() if value is not None}
        path = tmp_path / "axolotl.yml"
        path.write_text(yaml.safe_dump(values, sort_keys=False))
        return path

    return write
