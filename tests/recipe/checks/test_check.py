"""Check how errors of other tools become results."""

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.recipe.checks.check import as_config_error, refused


def test_an_error_is_one_line_without_the_files_name():
    check = refused("a.yml", ValueError("a.yml: first\n  second"))
    assert (check.mark, check.file, check.message) == ("ERROR", "a.yml", "first second")


def test_any_exception_becomes_one_sentence():
    with pytest.raises(ConfigError, match="no such key; fix the file"), as_config_error("fix the file"):
        raise RuntimeError("no such\n key.")
    with pytest.raises(ConfigError, match=r"^as it is$"), as_config_error("fix the file"):
        raise ConfigError("as it is")
