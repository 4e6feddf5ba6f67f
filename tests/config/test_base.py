from typing import Annotated

import pytest

from in2_plugin.config import BuildConfig
from in2_plugin.config.base import AddedLater, Config, models_in
from in2_plugin.config.corpus import EvaluationSource, Source
from in2_plugin.errors import ConfigError

MINIMAL = {"output": "out", "tokenizer": "model"}


def sentence(data: dict) -> str:
    with pytest.raises(ConfigError) as caught:
        BuildConfig.parse(data, "build.yml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("extra", "key", "near"),
    [
        ({"outptu": 1}, "outptu", "output"),
        ({"corpus": {"segment_token": 64}}, "corpus.segment_token", "segment_tokens"),
        ({"corpus": {"sources": [{"path": "x", "spilt": "y"}]}}, "corpus.sources.0.spilt", "split"),
        ({"mixture": {"integrations": 3}}, "mixture.integrations", "integration"),
        ({"decontaminate": {"against": "probe"}}, "decontaminate", "corpus.decontamination"),
        ({"corpus": {"against": "probe"}}, "corpus.against", "corpus.decontamination.against"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_valid_key(extra, key, near):
    assert sentence({**MINIMAL, **extra}) == f"build.yml: unknown key `{key}`; did you mean `{near}`?"


def test_an_unknown_key_without_a_near_match_lists_the_valid_keys():
    assert "valid keys are max, min" in sentence({**MINIMAL, "lengths": {"zzz": 3}})


def test_further_errors_are_counted():
    assert sentence({"tokenizer": "m", "outptu": 1, "sed": 3}).endswith("(and 2 more)")


def test_a_misspelled_key_is_reported_before_the_key_it_leaves_missing():
    message = sentence({"output": "o", "tokeniser": "m"})
    assert message == "build.yml: unknown key `tokeniser`; did you mean `tokenizer`? (and 1 more)"


def test_models_are_found_inside_lists_and_unions():
    assert models_in(list[Source] | EvaluationSource | None) == {Source, EvaluationSource}
    assert models_in(dict[str, int]) == set()


def test_a_field_of_a_later_version_is_written_unless_it_has_its_default():
    class Section(Config):
        old: int = 1
        new: Annotated[int, AddedLater()] = 2

    assert Section().model_dump() == {"old": 1}
    assert Section(new=3).model_dump(mode="json") == {"old": 1, "new": 3}
    assert Section.parse(Section().model_dump(), "t") == Section()
