"""Sealed files by way of an object storage: each once, whole, and gone in the end."""

import tempfile
from pathlib import Path

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.execution.ray.object_store import fetched, publish, withdraw


@pytest.fixture
def node(tmp_path, monkeypatch) -> Path:
    """Where a node keeps its copies."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "in2"
    (made / "segments").mkdir(parents=True)
    (made / "segments/ids.bin").write_bytes(bytes(range(256)) * 100)
    (made / "questions.parquet").write_bytes(b"questions")
    return made


def files(folder: Path) -> list[Path]:
    return [folder / "segments/ids.bin", folder / "questions.parquet"]


def test_what_is_published_is_fetched_byte_for_byte(folder, node, tmp_path):
    published = publish(f"file://{tmp_path}/bucket", "token", folder, files(folder))
    copy = fetched(published)
    assert copy.is_relative_to(node)
    for path in files(folder):
        assert (copy / path.relative_to(folder)).read_bytes() == path.read_bytes()
    assert fetched(published) == copy


def test_a_file_is_put_and_fetched_once_until_it_changes(folder, node, tmp_path):
    uri = f"file://{tmp_path}/bucket"
    copy = fetched(publish(uri, "token", folder, files(folder)))
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / "bucket/token").iterdir()}
    fetched_at = (copy / "segments/ids.bin").stat().st_mtime_ns
    (folder / "questions.parquet").write_bytes(b"others")
    again = fetched(publish(uri, "token", folder, files(folder)))
    assert (again / "questions.parquet").read_bytes() == b"others"
    assert (again / "segments/ids.bin").stat().st_mtime_ns == fetched_at
    assert {path: path.stat().st_mtime_ns for path in there} == there
    assert len(list((tmp_path / "bucket/token").iterdir())) == 3


def test_withdrawing_removes_what_was_published_and_nothing_else(folder, tmp_path):
    uri = f"file://{tmp_path}/bucket"
    publish(uri, "one", folder, files(folder))
    publish(uri, "other", folder, files(folder))
    withdraw(uri, "one")
    withdraw(uri, "one")
    assert [path.name for path in (tmp_path / "bucket").iterdir()] == ["other"]


def test_a_storage_that_cannot_be_written_is_one_sentence(folder, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigError, match=r"cannot be used as `ray\.storage` \(.*\); check address and rights$"):
        publish(f"file://{tmp_path}/file", "token", folder, files(folder))
