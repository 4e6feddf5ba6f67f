"""Results files of position probes from scripted models: lm_eval's own functions score every answer."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from in2_plugin.probing.lm_eval import position_tasks
from in2_plugin.probing.probes.registry import POSITION_PROBES
from tests.support import lm_eval_results as made

DEPTHS = 10
DATE = "2026-11-30T10-00-00.000000"
Row = dict[str, Any]
Answer = Callable[[Row], str]


def rows(
    probe: str, control: str = "", questions: int = 40, lengths: Sequence[int] = (4096,), window: int = 8192,
    digest: str = "0123456789abcdef", integration: int = 0, depths: int = DEPTHS,
) -> list[Row]:  # fmt: skip
    """The rows of a task as lm_eval sees them; golds are codes, and each integration question has two."""
    found = []
    for length in lengths:
        for question in range(questions + integration):
            kind = "fine_grained" if question < questions else "integration"
            for depth in range(1 if control else depths):
                found.append(_row(probe, control, question, kind, depth, length, window, digest, depths))
    return found


def _row(
    probe: str, control: str, question: int, kind: str, depth: int, length: int, window: int, digest: str, depths: int
) -> Row:
    n_depths = 1 if control else depths
    second = (depth + 1 + question) % depths
    gold = [f"code{question:04d}"] if kind == "fine_grained" else [f"code{question:04d}", f"word{question:04d}"]
    places = [depth, second][: len(gold)]
    return {
        "kind": probe, "control": control, "digest": digest, "window": window, "set": 0, "position": 0,
        "question": question, "depth": depth, "n_depths": n_depths, "length": length, "question_kind": kind,
        "query": f"What is the code of clause {question} <b>?", "gold": gold,
        "gold_depths": [] if control else [(place + 0.5) / depths for place in places],
        "echo": 0.0, "other": 0.0, "thoughts": "closed",
    }  # fmt: skip


def oracle(row: Row) -> str:
    return " and ".join(row["gold"])


def echo(row: Row) -> str:
    return str(row["query"])


def only_ends(row: Row) -> str:
    """Read the first and the last fifth of the context."""
    if row["control"] == "closed_book":
        return "I do not know."
    depths = row["gold_depths"] or [0.0]
    return oracle(row) if all(not 0.2 <= depth <= 0.8 for depth in depths) else "It is not stated."


def closed_book(row: Row) -> str:
    """Know nine answers of ten, whatever is shown."""
    return oracle(row) if row["question"] % 10 else "I do not know."


def reader(row: Row) -> str:
    """Answer only from what is shown: nothing without a context."""
    return oracle(row) if row["control"] != "closed_book" else "I do not know."


def task(value: dict[str, Any], name: str, asked: Sequence[Row], answer: Answer) -> list[dict[str, Any]]:
    """Add a task to a results file, and return its logged samples."""
    texts = [answer(row) for row in asked]
    scored = [position_tasks.process_results(row, [text]) for row, text in zip(asked, texts, strict=True)]
    value["results"][name] = {
        "acc,none": sum(one["acc"] for one in scored) / len(scored),
        "echo,none": sum(one["echo"] for one in scored) / len(scored),
        "other,none": sum(one["other"] for one in scored) / len(scored),
        "unfinished_thoughts,none": 0.0,
        "scores_stderr,none": position_tasks.aggregate_scores([one["scores_stderr"] for one in scored]),
    }
    value["configs"][name] = {"task": name, "metadata": {"version": 1.0, "pretrained": value["model_name"]}}
    value["versions"][name] = 1.0
    value["n-samples"][name] = {"original": len(scored), "effective": len(scored)}
    return [
        {"doc": row, "filtered_resps": [text], "resps": [[text]], "acc": one["acc"]}
        for row, text, one in zip(asked, texts, scored, strict=True)
    ]


def write(
    folder: Path, model: str, answers: Mapping[str, Answer] | Answer, probe: str = "litm_qa", log: bool = True,
    controls: Sequence[str] = ("", "closed_book", "gold_only"), **options: Any,
) -> Path:  # fmt: skip
    """Write results of a scripted model on a position probe and its controls, and its logged samples."""
    value = made.content(model, {})
    logs = {}
    for control in controls if len(POSITION_PROBES[probe].controls) > 1 else ("",):
        name = POSITION_PROBES[probe].task(control)
        answer = answers if callable(answers) else answers[control]
        logs[name] = task(value, name, rows(probe, control, **options), answer)
    path = made.write(folder, value, DATE)
    for name, samples in logs.items() if log else ():
        text = "".join(json.dumps(sample) + "\n" for sample in samples)
        path.with_name(f"samples_{name}_{DATE}.jsonl").write_text(text, encoding="utf-8")
    return path
