"""Paths in a pickle are resolved against the folder of the worker that loads it."""

import os
from dataclasses import dataclass
from pathlib import Path

from in2_plugin.execution.ray.relocatable_pickle import dumps, loads


@dataclass
class Paths:
    inner: Path
    outer: Path
    many: dict[str, list[Path]]


def test_only_paths_in_the_folder_are_relocated(tmp_path):
    folder, other = tmp_path / "here", tmp_path / "other"
    sent = Paths(folder / "segments/ids.bin", tmp_path / "corpus.jsonl", {"all": [folder, folder / "a b/ü.parquet"]})
    loaded = loads(dumps(sent, folder), other)
    assert loaded == Paths(
        other / "segments/ids.bin", tmp_path / "corpus.jsonl", {"all": [other, other / "a b/ü.parquet"]}
    )


def test_relative_paths_do_not_depend_on_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sent = dumps([Path("in2/questions.parquet"), Path("in2"), Path("in2-other/x")], Path("in2"))
    os.chdir("/")
    assert loads(sent, Path("/data/in2")) == [
        Path("/data/in2/questions.parquet"),
        Path("/data/in2"),
        Path("in2-other/x"),
    ]
