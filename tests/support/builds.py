"""Small builds for tests, and a progress that keeps quiet."""

import json
from contextlib import closing, nullcontext
from pathlib import Path

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.pipeline.build import build_dataset


class Quiet:
    """A build's progress, kept for tests to read."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.stages: list[str] = []
        self.details: list = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def stage(self, name: str, total: int | None, detail=None):
        self.stages.append(name)
        self.details.append(detail)
        return nullcontext(lambda steps: None)


def small_config(output: Path, tokenizer: Path, **changes: object) -> BuildConfig:
    """A build of 130 examples, long ones of 512 to 2,048 tokens from the first bundled documents."""
    values = {
        "output": str(output),
        "tokenizer": str(tokenizer),
        "corpus": {"sources": [{"path": "bundled:python-docs", "limit": 400}]},
        "mixture": {"fine_grained": 70, "integration": 30, "short_context": 30},
        "workers": 1,
        "lengths": {"min": 512, "max": 2_048},
    }
    if "mixture" in changes:
        changes["mixture"] = {"short_context": 0, **changes["mixture"]}
    return BuildConfig.parse({**values, **changes}, "test")


def build_four_parts(folder: Path, tokenizer: Path, **changes: object) -> Path:
    """Build all parts of the mixture with two questions per context and conversations of two turns: `folder`/in2."""
    turns = [(role, f"{role} {j}") for j in range(2) for role in ("user", "assistant")]
    said = [{"messages": [{"role": role, "content": f"{text} of {i}"} for role, text in turns]} for i in range(12)]
    folder.mkdir(exist_ok=True)
    (folder / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    values = {
        "mixture": {"fine_grained": 24, "integration": 8, "short_context": 8, "general": 8},
        "questions_per_context": 2,
        "instructions": {"sources": [{"path": str(folder / "chats.jsonl")}]},
    }
    build_dataset(small_config(folder / "in2", tokenizer, **{**values, **changes}), Quiet())
    return folder / "in2"


def endpoint_config(output: Path, tokenizer: Path, base_url: str, **changes: object) -> BuildConfig:
    """A small build whose questions come from a server; the integration ones are judged."""
    endpoint = {"model": "m", "base_url": base_url, "api_key_env": None, "concurrency": "2-8", "timeout": 20}
    questions = {"writer": "endpoint", "endpoint": endpoint, "verify": {"integration": ["answerable"]}}
    mixture = {"fine_grained": 150, "integration": 50}
    return small_config(output, tokenizer, **{"questions": questions, "mixture": mixture, **changes})


AT_ONCE = 8
"""Requests in flight of `endpoint_config`, per server."""


def question_rows(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file that depends on the answers of a server."""
    return {name: (folder / name).read_bytes() for name in (layout.QUESTIONS, layout.REJECTED, layout.EXAMPLES)}


def durable_answers(folder: Path) -> int:
    """Count the answers in the work log of a dataset folder."""
    with closing(WorkLog(folder / layout.WORK_LOG, read_only=True)) as log:
        return sum(usage.answers for usage in log.totals().values())


def build_from_endpoint(output: Path, tokenizer: Path, base_url: str) -> None:
    """What a child process runs."""
    build_dataset(endpoint_config(output, tokenizer, base_url), Quiet())
