import json

from typer.testing import CliRunner

from in2_plugin.cli.app import app
from in2_plugin.config.schema import build_schema
from tests.support import ROOT


def test_the_schema_is_printed():
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.output) == build_schema()


def test_the_schema_is_written_to_a_file(tmp_path):
    path = tmp_path / "build.schema.json"
    result = CliRunner().invoke(app, ["schema", "-o", str(path)])
    assert result.output == f"wrote {path}; start build.yml with `# yaml-language-server: $schema={path}`\n"
    assert json.loads(path.read_text()) == build_schema()


def test_the_schema_of_the_recipes_is_up_to_date():
    """After a change of the configuration, run `in2 schema -o recipes/_shared/build.schema.json`."""
    assert json.loads((ROOT / "recipes/_shared/build.schema.json").read_text(encoding="utf-8")) == build_schema()
