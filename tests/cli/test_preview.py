import json

import pytest
from typer.testing import CliRunner

from in2_plugin.cli.app import app


@pytest.fixture
def build_file(mistral_folder, tmp_path):
    path = tmp_path / "build.yml"
    path.write_text(f"output: {tmp_path}/out\ntokenizer: {mistral_folder}\n")
    return path


def test_questions_are_shown_with_their_gold_segments(build_file):
    result = CliRunner().invoke(app, ["preview", str(build_file), "-n", "2"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[-1].startswith("2 questions")
    assert sum(line.startswith("│ Q  ") and " rejected" not in line for line in lines) >= 2
    assert any("GOLD segment" in line for line in lines)
    assert max(map(len, lines)) == 120


def test_questions_are_shown_as_json(build_file):
    result = CliRunner().invoke(app, ["preview", str(build_file), "-n", "1", "--json"])
    (shown,) = [one for one in json.loads(result.output) if one["rejected"] is None]
    assert shown["question"] and any(segment["is_gold"] for segment in shown["segments"])
