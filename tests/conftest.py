"""Fixtures that several rooms need. Nothing here uses a network or a GPU."""

from itertools import islice
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from in2_plugin.config import CorpusConfig
from in2_plugin.corpus.sources.documents import Document, read_documents
from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.pipeline.build import build_dataset
from tests.support import vocabularies
from tests.support.builds import Quiet, small_config

MISTRAL_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: short ones at the end leave no process waiting for the other."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    """The first documents of the bundled corpus."""
    return list(islice(read_documents(CorpusConfig().sources), 400))


@pytest.fixture(scope="session")
def mistral_folder(tmp_path_factory) -> Path:
    """Tokenizer of Mistral-7B-Instruct-v0.2: real vocabulary, its turn format."""
    folder = tmp_path_factory.mktemp("mistral")
    settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return vocabularies.save(vocabularies.mistral(), folder, MISTRAL_TEMPLATE, **settings)


@pytest.fixture(scope="session")
def mistral(mistral_folder) -> ModelTokenizer:
    return ModelTokenizer(AutoTokenizer.from_pretrained(mistral_folder))


@pytest.fixture(scope="session")
def qwen_folder(tmp_path_factory, documents) -> Path:
    """A byte-level vocabulary with Qwen's pre-tokenisation and turn tokens, trained on the corpus."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = vocabularies.byte_level([d.text for d in documents], vocabularies.QWEN2_REGEX, special)
    template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return vocabularies.save(tokenizer, tmp_path_factory.mktemp("qwen"), template, eos_token="<|im_end|>")


@pytest.fixture(scope="session")
def qwen(qwen_folder) -> ModelTokenizer:
    return ModelTokenizer(AutoTokenizer.from_pretrained(qwen_folder))


@pytest.fixture(scope="session")
def built(tmp_path_factory, mistral_folder) -> Path:
    """A small finished dataset for the Mistral tokenizer. Tests must not write into it."""
    folder = tmp_path_factory.mktemp("built") / "in2"
    build_dataset(small_config(folder, mistral_folder), Quiet())
    return folder


@pytest.fixture(scope="session")
def dataset(built, mistral) -> IN2Dataset:
    return IN2Dataset(built, mistral)
