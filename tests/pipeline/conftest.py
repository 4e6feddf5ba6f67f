"""A finished dataset of all four parts, several questions a context, in shards of a few examples."""

import json
from pathlib import Path

import pytest

from in2_plugin.pipeline.build import build_dataset
from tests.support.builds import Quiet, small_config
from tests.support.sharded_builds import config as sharded_config
from tests.support.sharded_builds import write_corpus
from tests.support.stage_runs import Stages, small_shards


@pytest.fixture(scope="package")
def finished(tmp_path_factory, mistral_folder):
    """The configuration of it."""
    folder = tmp_path_factory.mktemp("finished")
    turns = [(role, f"{role} {j}") for j in range(2) for role in ("user", "assistant")]
    said = [{"messages": [{"role": role, "content": f"{text} of {i}"} for role, text in turns]} for i in range(12)]
    (folder / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    mixture = {"fine_grained": 36, "integration": 12, "short_context": 10, "general": 9}
    config = small_config(folder / "in2", mistral_folder, mixture=mixture, questions_per_context=2,
                          instructions={"sources": [{"path": str(folder / "chats.jsonl")}]})  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        small_shards(patch)
        build_dataset(config, Quiet())
    return config


@pytest.fixture
def again(finished, tmp_path, monkeypatch):
    """A copy of it without examples and plans."""
    small_shards(monkeypatch)
    return Stages.of(finished, tmp_path / "in2")


@pytest.fixture(scope="package")
def corpus(tmp_path_factory, documents) -> Path:
    """A folder of two JSON Lines files."""
    return write_corpus(tmp_path_factory.mktemp("corpus"), [document.text for document in documents[:120]])


@pytest.fixture(scope="package")
def whole(corpus, tmp_path_factory, mistral_folder) -> Path:
    """A dataset of that corpus, built by one process with one shard per stage."""
    folder = tmp_path_factory.mktemp("whole") / "in2"
    build_dataset(sharded_config(corpus, folder, mistral_folder), Quiet())
    return folder
