import shutil

import pytest
from typer.testing import CliRunner

from in2_plugin.cli.app import app
from in2_plugin.cli.export import ExportFormat
from in2_plugin.sharing.formats import Format


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_the_output_names_the_folder_its_rows_and_notes(in_chatml, tmp_path):
    folder = shutil.copytree(in_chatml.folder, tmp_path / "in2")
    result = invoke("export", folder, "--to", "prompt-completion", "--workers", 1, "--shard-size", "20kB")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    out = tmp_path / "in2-prompt-completion"
    turns = in_chatml.dataset.manifest.counts["turns"]
    files = len(list(out.glob("data/*.parquet")))
    assert files > 1
    assert lines[-1] == f"{out}: {turns} rows in {files} files; its README.md explains how to train on them"
    assert lines[-2].startswith("note: TRL also trains on")
    assert lines[-3].startswith("note: one row per question")


def test_an_earlier_export_is_replaced_only_on_request(in_chat, tmp_path):
    command = ("export", in_chat.folder, "--to", "messages", "-o", tmp_path / "out", "--workers", 1, "--quiet")
    first = invoke(*command)
    assert first.exit_code == 0 and len(first.output.splitlines()) == 1 + first.output.count("note: ")
    again = invoke(*command)
    assert again.exit_code == 1
    assert again.stderr.startswith(f"error: {tmp_path}/out: has an export already; add `--overwrite`")
    assert invoke(*command, "--overwrite").exit_code == 0


def test_errors_are_one_sentence(in_film, tmp_path):
    result = invoke("export", in_film.folder, "--to", "messages", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {in_film.folder}: was built with `template: film`")
    assert invoke("export", tmp_path, "--to", "messages").stderr.startswith(f"error: {tmp_path}: is not an IN2 dataset")


@pytest.mark.parametrize("size", ["500", "MB", "0MB", "1 TB", "-1MB"])
def test_invalid_sizes_are_refused(in_chat, size):
    result = invoke("export", in_chat.folder, "--to", "messages", f"--shard-size={size}")
    assert result.exit_code == 2
    message = " ".join(result.stderr.replace("│", " ").split())
    assert f"give a size like 500MB or 2GB, not `{size}`" in message


def test_the_command_offers_every_format():
    assert list(ExportFormat) == list(Format)
