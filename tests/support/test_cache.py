"""Cached folders: made once, and again when something in them has changed."""

from tests.support import cache
from tests.support.cache import cached_folder


def test_a_folder_is_made_once_and_again_when_a_test_has_written_into_it(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    made = []

    def make(folder):
        made.append(folder)
        folder.mkdir()
        (folder / "file").write_text("content")

    first = cached_folder("thing", make)
    assert cached_folder("thing", make) == first and made == [first]
    (first / "file").write_text("changed by a test")
    second = cached_folder("thing", make)
    assert made == [first, second] and second != first
    assert (first / "file").read_text() == "changed by a test"
    assert cached_folder("thing", make) == second


def test_a_folder_that_was_not_finished_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    (tmp_path / cache._code_key() / "thing-0/files/left").mkdir(parents=True)
    assert [path.name for path in cached_folder("thing", lambda folder: folder.mkdir()).iterdir()] == []
