"""Small datasets of all four parts with several questions per context, for each kind of template."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.pipeline.build import build_dataset
from tests.support.builds import Quiet, small_config
from tests.support.cache import cached_folder


@dataclass(frozen=True)
class Shared:
    """A dataset to be handed on, and the tokenizer it was built for."""

    dataset: IN2Dataset
    tokenizer: ModelTokenizer

    @property
    def folder(self) -> Path:
        return self.dataset.folder

    def pretrained(self):
        """The tokenizer as a trainer loads it."""
        return AutoTokenizer.from_pretrained(self.tokenizer.name)


SAID = (("user", "Say {i}."), ("assistant", "It is {i}."), ("user", "And again?"), ("assistant", "It is so."))


def make(folder: Path, tokenizer: Path, **changes) -> None:
    """Build a dataset of about twenty examples for a tokenizer's folder."""
    rows = [[{"role": role, "content": text.format(i=i)} for role, text in SAID] for i in range(9)]
    chats = folder.with_name("chats.jsonl")
    chats.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    values = {
        "corpus": {"sources": [{"path": "bundled:python-docs", "limit": 120}], "segment_tokens": 48},
        "mixture": {"fine_grained": 16, "integration": 6, "short_context": 4, "general": 3},
        "instructions": {"sources": [{"path": str(chats), "license": "cc-by-4.0"}]},
        "lengths": {"min": 256, "max": 640},
        "questions_per_context": 2,
    }
    build_dataset(small_config(folder, tokenizer, **{**values, **changes}), Quiet())


def opened(folder: Path, tokenizer: Path) -> Shared:
    loaded = ModelTokenizer(AutoTokenizer.from_pretrained(tokenizer))
    return Shared(IN2Dataset(folder, loaded), loaded)


def cached(name: str, tokenizer: Path, **changes) -> Shared:
    """The dataset of a tokenizer that is on disk for all test processes. Tests must not write into it."""
    return opened(cached_folder(f"shared-{name}", lambda folder: make(folder, tokenizer, **changes), "in2"), tokenizer)


@pytest.fixture(scope="session")
def build_shared(tmp_path_factory):
    """Build a dataset for the tokenizer of a test."""

    def build(name: str, tokenizer: Path, **changes) -> Shared:
        folder = tmp_path_factory.mktemp(name) / "in2"
        make(folder, tokenizer, **changes)
        return opened(folder, tokenizer)

    return build


@pytest.fixture(scope="session")
def in_chat(mistral_folder) -> Shared:
    """Mistral's chat template."""
    return cached("chat", mistral_folder)


@pytest.fixture(scope="session")
def in_film(mistral_folder) -> Shared:
    """FILM's literal form."""
    return cached("film", mistral_folder, template="film")


@pytest.fixture(scope="session")
def in_chatml(qwen_folder) -> Shared:
    """A ChatML template, which writes a line break behind each end-of-turn token."""
    return cached("chatml", qwen_folder)


@pytest.fixture(params=["in_chat", "in_film", "in_chatml"])
def shared(request) -> Shared:
    """Each of the three."""
    return request.getfixturevalue(request.param)
