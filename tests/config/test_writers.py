"""The registry of question writers, and what a build file may say about them."""

import pytest

from in2_plugin.config import BuildConfig, QuestionsConfig
from in2_plugin.config.writers import OURS, complete_settings, find_writer
from in2_plugin.errors import ConfigError
from tests.support.third_party_writer.first_words import FirstWordsSettings


@pytest.mark.parametrize("name", OURS)
def test_every_writer_of_ours_loads(name):
    assert find_writer(name).description


def test_an_unknown_name_is_an_error_with_the_nearest_name_and_the_group():
    with pytest.raises(ConfigError) as caught:
        QuestionsConfig.parse({"writer": "extractiv"}, "build.yml")
    assert "`writer`: no writer is registered as 'extractiv'; did you mean `extractive`?" in str(caught.value)
    assert "group `in2_plugin.writers`" in str(caught.value)


def test_a_name_that_is_near_nothing_lists_all():
    with pytest.raises(ConfigError, match=r"registered writers: .*endpoint, extractive"):
        QuestionsConfig.parse({"writer": "zzz"}, "build.yml")


def test_our_writers_have_no_settings():
    with pytest.raises(ConfigError, match="`writer: extractive` has no settings of its own"):
        QuestionsConfig.parse({"settings": {"answered": 3}}, "build.yml")


def test_the_key_settings_is_absent_from_records_that_do_not_use_it():
    build = BuildConfig.parse({"output": "in2", "tokenizer": "t"}, "build.yml")
    assert "settings" not in build.model_dump(mode="json")["questions"]


def test_settings_are_completed_with_defaults_and_checked():
    assert complete_settings(FirstWordsSettings, "first_words", {"answered": 3}) == {"quoted": 8, "answered": 3}
    with pytest.raises(ValueError, match="unknown key `answerd`; did you mean `answered`"):
        complete_settings(FirstWordsSettings, "first_words", {"answerd": 3})
