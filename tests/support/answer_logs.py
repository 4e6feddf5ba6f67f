"""Logged answers of a position task, as lm_eval writes them with `--log_samples`; and `in2` with the invented probe.

python tests/support/answer_logs.py probe judge FOLDER --model m ...
"""

import json
from pathlib import Path

DATE = "2026-11-30T07-00-00.123456"


def logged(question: int, depth: int, answer: str, *, gold=("book-7",), contained=None, **doc: object) -> dict:
    """Return one row; `contained` is what the probe's score says, if the answer is in doubt."""
    right = all(text in answer for text in gold) if contained is None else contained
    row = {
        "probe": "0123456789abcdef", "kind": "shelves", "set": depth, "position": question, "control": "",
        "question": question, "depth": depth, "n_depths": 5, "length": 512, "question_kind": "fine_grained",
        "query": f"What is on shelf {question}?", "gold": list(gold), "gold_depths": [(depth + 0.5) / 5],
        "echo": 0.0, "other": 0.0, "thoughts": "closed",
    }  # fmt: skip
    return {
        "doc_id": 0, "doc": {**row, **doc}, "target": ", ".join(gold), "arguments": {}, "resps": [[answer]],
        "filtered_resps": [answer], "filter": "none", "metrics": ["acc"], "acc": float(right),
    }  # fmt: skip


def write_log(folder: Path, rows: list[dict], task: str = "shelves_context", date: str = DATE) -> Path:
    """Write rows where lm_eval would, below its output folder, and return the file."""
    path = folder / "model" / f"samples_{task}_{date}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def shelf_answers(n: int) -> list[dict]:
    """Return n different answers, every other one right."""
    return [
        logged(i // 5, i % 5, f"I would say {f'book-{i}' if i % 2 else f'scroll {i}'}.", gold=(f"book-{i}",))
        for i in range(n)
    ]


if __name__ == "__main__":
    from in2_plugin.cli.app import command
    from in2_plugin.probing.probes.registry import POSITION_PROBES
    from tests.support.invented_position_probe import SHELVES

    POSITION_PROBES.register(SHELVES)
    command()
