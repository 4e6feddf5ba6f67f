"""Uploads to object storage: each file once, complete, and deleted at the end."""

import tempfile
from pathlib import Path

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.execution.ray.object_store import delete_uploads, download, upload


@pytest.fixture
def node(tmp_path, monkeypatch) -> Path:
    """Return the folder in which a node keeps its copies."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    dataset = tmp_path / "in2"
    (dataset / "segments").mkdir(parents=True)
    (dataset / "segments/ids.bin").write_bytes(bytes(range(256)) * 100)
    (dataset / "questions.parquet").write_bytes(b"questions")
    return dataset


def files(folder: Path) -> list[Path]:
    return [folder / "segments/ids.bin", folder / "questions.parquet"]


def test_downloads_are_byte_identical(folder, node, tmp_path):
    uploaded = upload(f"file://{tmp_path}/bucket", "token", folder, files(folder))
    copy = download(uploaded)
    assert copy.is_relative_to(node)
    for path in files(folder):
        assert (copy / path.relative_to(folder)).read_bytes() == path.read_bytes()
    assert download(uploaded) == copy


def test_a_file_is_transferred_again_only_after_a_change(folder, node, tmp_path):
    uri = f"file://{tmp_path}/bucket"
    copy = download(upload(uri, "token", folder, files(folder)))
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "bucket/token").iterdir()}
    downloaded_at = (copy / "segments/ids.bin").stat().st_mtime_ns
    (folder / "questions.parquet").write_bytes(b"others")
    again = download(upload(uri, "token", folder, files(folder)))
    assert (again / "questions.parquet").read_bytes() == b"others"
    assert (again / "segments/ids.bin").stat().st_mtime_ns == downloaded_at
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    assert len(list((tmp_path / "bucket/token").iterdir())) == 3


def test_delete_uploads_removes_only_the_files_of_its_token(folder, tmp_path):
    uri = f"file://{tmp_path}/bucket"
    upload(uri, "one", folder, files(folder))
    upload(uri, "other", folder, files(folder))
    delete_uploads(uri, "one")
    delete_uploads(uri, "one")
    assert [path.name for path in (tmp_path / "bucket").iterdir()] == ["other"]


def test_a_storage_that_cannot_be_written_is_a_config_error(folder, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(
        ConfigError, match=r"cannot be used as `ray\.storage` \(.*\); check the address and your permissions$"
    ):
        upload(f"file://{tmp_path}/file", "token", folder, files(folder))
