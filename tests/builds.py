"""Small builds for tests, and a progress that keeps quiet."""

from contextlib import nullcontext
from pathlib import Path

from in2_plugin.config import BuildConfig


class Quiet:
    """A build's progress, kept for tests to read."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.stages: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def stage(self, name: str, total: int | None, detail=None):
        self.stages.append(name)
        return nullcontext(lambda steps: None)


def small_config(output: Path, tokenizer: Path, **changes: object) -> BuildConfig:
    """A build of a hundred examples of 512 to 2,048 tokens from the first bundled documents."""
    values = {
        "output": str(output),
        "tokenizer": str(tokenizer),
        "corpus": {"sources": [{"path": "bundled:python-docs", "limit": 400}]},
        "mixture": {"fine_grained": 70, "integration": 30},
        "lengths": {"min": 512, "max": 2_048},
    }
    return BuildConfig.parse({**values, **changes}, "test")
