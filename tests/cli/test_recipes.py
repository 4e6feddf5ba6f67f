import pytest
from typer.testing import CliRunner

from in2_plugin.cli.recipes import recipes
from in2_plugin.config import load_build_file
from in2_plugin.errors import ConfigError
from in2_plugin.packaged import packaged_folder


def invoke(*arguments: str):
    return CliRunner().invoke(recipes, arguments, catch_exceptions=True)


def test_list_shows_a_line_a_recipe():
    lines = invoke("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(
        p.name for p in packaged_folder("recipes").iterdir() if p.is_dir()
    )
    assert all(len(line.split()) > 3 for line in lines)


def test_show_prints_the_readme_and_the_files():
    said = invoke("show", "smoke").stdout
    assert "build.yml" in said and said.startswith("# ")


def test_copy_gives_a_folder_of_ones_own(tmp_path):
    assert invoke("copy", "smoke", str(tmp_path / "mine")).exit_code == 0
    assert load_build_file(tmp_path / "mine/build.yml").tokenizer == "model"


def test_copy_never_overwrites(tmp_path):
    (tmp_path / "build.yml").write_text("mine")
    failure = invoke("copy", "smoke", str(tmp_path)).exception
    assert isinstance(failure, ConfigError)
    assert str(failure) == f"{tmp_path} already has build.yml; give another folder"
    assert (tmp_path / "build.yml").read_text() == "mine"


@pytest.mark.parametrize("command", ["show", "copy"])
def test_a_misspelt_name_gets_the_nearest(command):
    assert "did you mean `smoke`?" in str(invoke(command, "smok").exception)
