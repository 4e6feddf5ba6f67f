"""Paths in what is sent to a worker mean the same place in the worker's folder."""

import os
from dataclasses import dataclass
from pathlib import Path

from in2_plugin.execution.ray.relocatable_pickle import dumps, loads


@dataclass
class Sent:
    inner: Path
    outer: Path
    many: dict[str, list[Path]]


def test_paths_in_the_folder_move_and_others_do_not(tmp_path):
    folder, there = tmp_path / "here", tmp_path / "there"
    sent = Sent(folder / "segments/ids.bin", tmp_path / "corpus.jsonl", {"all": [folder, folder / "a b/ü.parquet"]})
    arrived = loads(dumps(sent, folder), there)
    assert arrived == Sent(
        there / "segments/ids.bin", tmp_path / "corpus.jsonl", {"all": [there, there / "a b/ü.parquet"]}
    )


def test_a_relative_path_is_found_from_another_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sent = dumps([Path("in2/questions.parquet"), Path("in2"), Path("in2-other/x")], Path("in2"))
    os.chdir("/")
    assert loads(sent, Path("/data/in2")) == [
        Path("/data/in2/questions.parquet"),
        Path("/data/in2"),
        Path("in2-other/x"),
    ]
