"""A reward function that records what a trainer passes to it, and rewards completions by their length.

Tiny random models earn no reward; without rewards that differ within a group a trainer has no gradient.
"""

import json
from pathlib import Path
from typing import Any

SEEN = "seen.jsonl"


def watch(prompts: list[Any], completions: list[Any], **columns: Any) -> list[float]:
    """Append one line per completion to SEEN in the working folder."""
    names = ("answer", "gold_ids", "depth", "kind", "prompt_tokens")
    with Path(SEEN).open("a") as file:
        for number, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
            row = {name: columns[name][number] for name in names}
            file.write(json.dumps({"prompt": prompt, "completion": completion, **row}) + "\n")
    return [len(completion[-1]["content"]) % 7 / 7 for completion in completions]


def read_seen(folder: Path) -> list[dict[str, Any]]:
    """Return the recorded lines."""
    return [json.loads(line) for line in (folder / SEEN).read_text().splitlines()]
