"""Check the extras that READMEs install."""

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.recipe.checks.readme import check_readme


@pytest.fixture
def readme(tmp_path):
    """Return a function that writes a README with an install command."""

    def write(*packages):
        file = tmp_path / "README.md"
        file.write_text(f"Needed: `pip install {' '.join(packages)}`, and `a[slice]` of something.\n")
        return file

    return write


def test_known_extras_pass(readme):
    (check,) = check_readme(readme('"in2-plugin[eval,report]"', '"not-installed[anything]"', "numpy"))
    assert (check.mark, check.message) == ("ok", "the 3 extras that it installs exist")


@pytest.mark.parametrize(("extra", "advice"), [("reports", "did you mean `report`?"), ("ring-flash-attn", "remove it")])
def test_unknown_extra_is_refused(readme, extra, advice):
    with pytest.raises(ConfigError, match=r"in2-plugin .* has no extra") as error:
        list(check_readme(readme(f'"in2-plugin[eval,{extra}]"')))
    assert f"`{extra}`; {advice}" in str(error.value)
