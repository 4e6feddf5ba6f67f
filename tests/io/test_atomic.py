from pathlib import Path

import pytest

from in2_plugin.io.atomic import commit_part, write_atomic, write_json_atomic, write_text_atomic


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text_atomic(path, "old")

    def fail(part: Path) -> None:
        part.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, fail)
    assert path.read_text() == "old"


def test_commit_part_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    (tmp_path / "a.bin.part").write_bytes(b"new")
    commit_part(path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.bin", b"new")]


def test_equal_values_give_equal_json(tmp_path: Path) -> None:
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    write_json_atomic(first, {"b": 1, "a": "\u00fc"})
    write_json_atomic(second, {"a": "\u00fc", "b": 1})
    assert first.read_bytes() == second.read_bytes() == b'{\n  "a": "\xc3\xbc",\n  "b": 1\n}\n'
