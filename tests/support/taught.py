"""A dataset of all four parts for the tiny model, which can be its teacher; tests copy it before they write into it."""

import shutil
from pathlib import Path

from tests.support.builds import build_four_parts
from tests.support.cache import cached_folder
from tests.support.tiny_model import save_tiny_mistral

WINDOW = 2_048
SHARD_EXAMPLES = 8


def teacher_folder() -> Path:
    """The tiny model with its tokenizer."""
    return cached_folder("teacher-model", lambda folder: save_tiny_mistral(folder, WINDOW))


def taught_dataset(into: Path) -> Path:
    """Copy a finished dataset of 34 examples, long ones of 512 to 1,024 tokens, to `into`/in2."""

    def make(folder: Path) -> None:
        build_four_parts(folder, teacher_folder(), lengths={"min": 512, "max": 1_024})

    return Path(shutil.copytree(cached_folder("taught", make) / "in2", into / "in2"))


def scores_in(dataset: Path, name: str = "initial") -> dict[str, bytes]:
    """Return the bytes of the shards of a teacher."""
    return {path.name: path.read_bytes() for path in sorted((dataset / "teacher" / name).glob("*.bin"))}
