"""A tiny model and a small dataset of all five parts, made with the commands that a user types."""

import json
import sys
from pathlib import Path

import pytest

from tests.support.cache import cached_folder
from tests.support.e2e_run import SMOKE, run


@pytest.fixture(scope="session")
def workshop() -> Path:
    """A folder with `model/`, `build.yml` and the finished dataset `data/in2`. Tests must not write into it."""
    return cached_folder("workshop", _make)


def _make(folder: Path) -> None:
    folder.mkdir()
    run(sys.executable, SMOKE / "make_model.py", "model", "--no-warm-up", cwd=folder)
    (folder / "build.yml").write_text(
        "output: data/in2\ntokenizer: model\n"
        "corpus: {segment_tokens: 32, sources: [{path: 'bundled:python-docs', limit: 300}]}\n"
        "mixture: {fine_grained: 40, integration: 8, short_context: 8, general: 8, records: 8}\n"
        "lengths: {min: 192, max: 512}\n"
        "questions_per_context: 2\ninstructions: {sources: [chats.jsonl]}\n"
    )
    chats = [{"messages": [{"role": "user", "content": f"Say {i}."}, {"role": "assistant", "content": f"It is {i}."}]}
             for i in range(20)]  # fmt: skip
    (folder / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chats))
    run("in2", "build", "build.yml", cwd=folder)
