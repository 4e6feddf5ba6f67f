"""Run the real lm_eval with `--model in2-hf` and `--model hf`: the same answers from far fewer tokens."""

import json
import re
from pathlib import Path

import pytest

from tests.support.e2e_run import run

pytestmark = [pytest.mark.slow, pytest.mark.e2e_full]

IN2 = ("-m", "in2_plugin.cli", "lm-eval")
TASKS = [f"val_probe_{kind}" for kind in ("document", "code", "database")]
READ = re.compile(r"(\d+) contexts read once, ([\d,]+) questions, prefilled ([\d,]+) instead of ([\d,]+) tokens")


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """Save a random Mistral with a window of 1,024 tokens and many tokens that end an answer."""
    from transformers import MistralConfig

    from tests.support.tiny_lm import SHAPE, save

    folder = tmp_path_factory.mktemp("in2_hf") / "model"
    return save(MistralConfig(sliding_window=None, **SHAPE), folder, eos_token_id=[2, *range(5, 2_000, 40)])


def answers(
    python: str, kind: str, model: Path, out: Path, *more: object, ok: bool = True
) -> tuple[str, dict[str, list]]:
    """Run lm_eval and return its output and its samples by task: set, position, answer and score."""
    said = run(
        python, *IN2, "--model", kind, "--model_args", f"pretrained={model},dtype=float32", "--device", "cpu",
        "--batch_size", "1", "--output_path", out, "--log_samples", *more, cwd=out.parent, ok=ok,
    )  # fmt: skip
    found = {}
    for task in TASKS if ok else []:
        (path,) = out.rglob(f"samples_{task}_*.jsonl")
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found[task] = [(row["doc"]["set"], row["doc"]["position"], row["resps"][0][0], row["acc"]) for row in rows]
    return said, found


@pytest.mark.parametrize("chat", [[], ["--apply_chat_template"]], ids=["text", "chat"])
def test_samples_equal_those_of_hf(lm_eval_python, model, tmp_path, chat):
    options = ["--tasks", ",".join(TASKS), "--metadata", json.dumps({"probe_length": 800, "probe_sets": 2})]
    options += ["--limit", "14", *chat]
    _, expected = answers(lm_eval_python, "hf", model, tmp_path / "hf", *options)
    said, found = answers(lm_eval_python, "in2-hf", model, tmp_path / "in2", *options)
    assert found == expected
    texts = [row[2] for rows in found.values() for row in rows]
    assert len(texts) == 42 and len(set(texts)) > 10 and len({len(text) for text in texts}) > 5
    contexts, questions, prefilled, alone = (int(n.replace(",", "")) for n in READ.search(said).groups())
    assert (contexts, questions) == (6, 42) and prefilled * 2 < alone  # three compared answers included
    assert "compared 3 whole answers with those without a shared cache: all equal" in said
    assert "falls back to hf" not in said


def test_invalid_arguments_and_long_prompts_are_refused(lm_eval_python, model, tmp_path):
    options = ["--tasks", "val_probe_code", "--limit", "4"]
    short = [*options, "--metadata", json.dumps({"probe_length": 512})]
    refused, _ = answers(lm_eval_python, "in2-hf", model, tmp_path / "a", *short, "--model_args",
                         f"pretrained={model},questions_at_once=none", ok=False)  # fmt: skip
    assert re.search(r"^error: questions_at_once=none must be `auto` or a number above zero$", refused, re.M)
    refused, _ = answers(
        lm_eval_python, "in2-hf", model, tmp_path / "b", *options, "--metadata", '{"probe_length": 2048}', ok=False
    )
    assert re.search(r"^error: the longest prompt has .*but the window is 1,024", refused, re.M)
