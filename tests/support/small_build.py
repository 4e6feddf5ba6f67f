"""A small build config with an endpoint, for tests that need no corpus."""

from typing import Any

from in2_plugin.config import BuildConfig


def small_build(**changes: Any) -> BuildConfig:
    """Return a config with 1,100 questions; changes replace top-level keys."""
    endpoint = {"model": "m", "prices": {"input": 1.0, "output": 10.0}}
    questions = {"writer": "endpoint", "endpoint": endpoint, **changes.pop("questions", {})}
    mixture = {"fine_grained": 1_000, "integration": 100, "short_context": 0}
    return BuildConfig.parse(
        {"output": "o", "tokenizer": "t", "mixture": mixture, "questions": questions, **changes}, "t"
    )
