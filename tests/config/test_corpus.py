import pytest

from in2_plugin.config import BuildConfig, Source
from in2_plugin.config.corpus import EvaluationSource
from in2_plugin.errors import ConfigError


def corpus(**section):
    return BuildConfig.parse({"output": "o", "tokenizer": "t", "corpus": section}, "x").corpus


def test_a_source_may_be_a_bare_path():
    found = corpus(sources=["a.jsonl", {"path": "b", "limit": 2}], decontamination={"sources": ["c"]})
    assert found.sources == (Source(path="a.jsonl"), Source(path="b", limit=2))
    assert found.decontamination.sources == (EvaluationSource(path="c", split="test"),)


def test_an_empty_list_of_sources_is_refused():
    with pytest.raises(ConfigError, match="remove the key to use the bundled corpus"):
        corpus(sources=[])
