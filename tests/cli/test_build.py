"""Options of `in2 build` and `in2 merge`. Builds through the command line are in tests/pipeline and tests/e2e."""

import pytest
from typer.testing import CliRunner

from in2_plugin.cli.app import app
from in2_plugin.cli.build import UNMERGED


@pytest.fixture
def build_file(tmp_path):
    path = tmp_path / "build.yml"
    path.write_text(f"output: {tmp_path}/out\ntokenizer: m\n")
    return path


def error_of(command: str, *arguments: object) -> str:
    result = CliRunner().invoke(app, [command, *map(str, arguments)])
    assert result.exit_code == 1
    return result.stderr


@pytest.mark.parametrize("command", ["build", "merge"])
def test_extend_and_restart_exclude_each_other(command, build_file):
    assert "exclude each other" in error_of(command, build_file, "--extend", "--restart")


@pytest.mark.parametrize("option", [["--extend"], ["--restart"], ["--engine", "ray"]])
def test_a_job_of_an_array_takes_no_other_mode(option, build_file):
    assert "`--shard` cannot be combined with" in error_of("build", build_file, "--shard", "1/2", *option)


def test_an_invalid_shard_is_refused(build_file):
    assert "`--shard 3/2`" in error_of("build", build_file, "--shard", "3/2")


@pytest.mark.slow
def test_a_job_and_a_merge_without_the_other_jobs(mistral_folder, tmp_path):
    path = tmp_path / "build.yml"
    path.write_text(
        f"output: {tmp_path}/out\ntokenizer: {mistral_folder}\nworkers: 1\nlengths: {{min: 400, max: 900}}\n"
        "mixture: {fine_grained: 4, integration: 1, short_context: 0}\n"
        "corpus: {sources: [{path: 'bundled:python-docs', limit: 60}]}\n"
    )
    job = CliRunner().invoke(app, ["build", str(path), "--shard", "1/2"])
    assert job.exit_code == 0, job.output
    assert "run `in2 merge`" in job.output
    assert CliRunner().invoke(app, ["merge", str(path)]).exit_code == UNMERGED
