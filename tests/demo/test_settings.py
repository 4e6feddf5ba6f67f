import pytest

from in2_plugin.demo.settings import changed, load_settings
from in2_plugin.errors import ConfigError


def test_nested_keys_are_merged_and_others_replaced():
    before = {"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 3}
    assert changed(before, {"a": {"b": 9}, "d": [3], "e": {"f": 4}}) == {"a": {"b": 9, "c": 2}, "d": [3], "e": {"f": 4}}
    assert before["a"] == {"b": 1, "c": 2}


def test_a_misspelled_key_names_the_right_one(recipe):
    text = (recipe / "demo.yml").read_text()
    (recipe / "demo.yml").write_text(text.replace("max_gen_toks", "max_gen_tok"))
    with pytest.raises(ConfigError, match=r"unknown key .*max_gen_tok`; did you mean `max_gen_toks`"):
        load_settings(recipe)


def test_a_recipe_without_a_demo_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"has no demo\.yml"):
        load_settings(tmp_path)
