"""One tokenizer for each supported chat template."""

from importlib import resources
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from tests.support import vocabularies
from tests.support.cache import cached_folder
from tests.support.vocabularies import MODELS


def axolotls_template(name: str) -> str:
    return (resources.files("axolotl") / "utils/chat_templates/templates" / f"{name}.jinja").read_text()


@pytest.fixture(scope="module", params=MODELS)
def model(request, documents):
    """(name, transformers tokenizer, end of turn, tail) for each chat template."""
    regex, special, end, tail = MODELS[request.param]

    def make(folder: Path) -> None:
        if regex is None:
            vocabulary, settings = vocabularies.mistral(), {"bos_token": "<s>", "eos_token": "</s>"}
        else:
            vocabulary = vocabularies.byte_level([d.text for d in documents[:100]], regex, special)
            settings = {"bos_token": special[0], "eos_token": end}
        vocabularies.save(vocabulary, folder, axolotls_template(request.param), **settings)

    folder = cached_folder(f"tokenizer-{request.param}", make)
    return request.param, AutoTokenizer.from_pretrained(folder), end, tail
