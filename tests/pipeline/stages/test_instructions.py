"""The general part of a dataset: a sample of conversations, and what happens when there are too few."""

import json
from pathlib import Path

import pytest

from in2_plugin.config import PARTS
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import NotEnoughInstructions
from in2_plugin.pipeline.build import build_dataset
from tests.support.builds import Quiet, small_config


def chats(path: Path, n: int) -> Path:
    with path.open("w") as file:
        for i in range(n):
            row = {"system_prompt": "Be brief.", "question": f"Say {i}.", "response": f"{i}, as you wish."}
            print(json.dumps(row), file=file)
    return path


def test_the_papers_four_parts(mistral_folder, mistral, tmp_path):
    config = small_config(
        tmp_path / "in2", mistral_folder,
        mixture={"fine_grained": 11, "integration": 3, "short_context": 2, "general": 2, "total": 54},
        instructions={"sources": [str(chats(tmp_path / "chats.jsonl", 100))]},
    )  # fmt: skip
    progress = Quiet()
    manifest = build_dataset(config, progress)
    assert [manifest.counts.get(part, 0) for part in PARTS] == [33, 9, 6, 6, 0]
    assert any("6 of 100 conversations for the general part; 0 skipped" in line for line in progress.lines)
    dataset = IN2Dataset(tmp_path / "in2", mistral)
    general = [row for row in dataset.rows() if row["part"] == "general"]
    assert len({row["turns"][0]["question"] for row in general}) == 6
    assert dataset.text(general[0]).startswith("<s>[INST] Below is a user instruction.")
    assert "### Instruction:\nBe brief.\n\nSay " in dataset.text(general[0])


def test_too_few_conversations_is_an_error_that_says_how_many(mistral_folder, tmp_path):
    config = small_config(
        tmp_path / "in2", mistral_folder, mixture={"fine_grained": 5, "integration": 0, "general": 9},
        instructions={"sources": [str(chats(tmp_path / "chats.jsonl", 4))]}, lengths={"min": 300, "max": 600},
    )  # fmt: skip
    with pytest.raises(NotEnoughInstructions, match=r"asks for 9 conversations, .* gave 4 from 4 rows, 5 too few"):
        build_dataset(config, Quiet())
    assert not (tmp_path / "in2/instructions.parquet").exists()


def test_a_shortfall_may_scale_all_parts_down_equally(mistral_folder, tmp_path):
    mixture = {"fine_grained": 20, "integration": 10, "short_context": 0, "general": 8, "shortfall": "rescale"}
    config = small_config(
        tmp_path / "in2", mistral_folder, mixture=mixture, lengths={"min": 1_000, "max": 2_048},
        instructions={"sources": [str(chats(tmp_path / "chats.jsonl", 4))]},
    )  # fmt: skip
    progress = Quiet()
    manifest = build_dataset(config, progress)
    assert [manifest.counts.get(part, 0) for part in PARTS] == [10, 5, 0, 4, 0]
    assert "the mixture is scaled to 50.0%, so that its parts keep their proportions" in progress.lines
    assert len(list(read_rows(tmp_path / "in2/questions.parquet"))) == 30
