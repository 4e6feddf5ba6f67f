from pathlib import Path

import pytest

from in2_plugin.config import BuildConfig, Decontamination, Source
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


@pytest.mark.parametrize("given", ["probe", ["probe"], [{"path": "probe"}]])
def test_folders_of_against_may_be_bare_paths(given):
    (folder,) = Decontamination.parse({"against": given}, "t").against
    assert (folder.path, folder.content) == (Path("probe"), None)


def test_build_json_without_against_is_as_before_the_key_existed():
    assert "against" not in Decontamination().model_dump(mode="json")
    written = Decontamination.parse({"against": "probe"}, "t").model_dump(mode="json")
    assert written["against"] == [{"path": "probe", "content": None}]
