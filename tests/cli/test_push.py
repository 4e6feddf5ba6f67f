"""Options and output; uploads to a local hub are tested in tests/sharing/test_push.py."""

from typer.testing import CliRunner

from in2_plugin.cli.app import app


def test_the_address_of_the_upload_is_printed(monkeypatch, tmp_path):
    asked = []

    def push(folder, repository, **options):
        asked.append((folder, repository, options))
        return "https://hub/datasets/me/in2"

    monkeypatch.setattr("in2_plugin.sharing.push.push", push)
    result = CliRunner().invoke(app, ["push", str(tmp_path), "me/in2", "--private"])
    assert (result.exit_code, result.output) == (0, f"{tmp_path}: uploaded to https://hub/datasets/me/in2\n")
    assert asked == [(tmp_path, "me/in2", {"private": True, "revision": None})]
