"""Position probes in the real lm_eval: scripted models, a tiny model with a shared prefix, a server, long prompts."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from in2_plugin.probing.position.scores import PositionScores, position_scores_from_text
from tests.support import ROOT
from tests.support.oracle_server import OracleServer, answer
from tests.support.tiny_model import save_tiny_mistral
from tests.support.warm_start import run_warm

pytestmark = pytest.mark.slow

IN2 = ("in2_plugin.cli", "lm-eval")
SHORT = {"probe_length": 1_000, "probe_depths": 5, "probe_questions": 10}
READ = re.compile(r"(\d+) contexts read once, ([\d,]+) questions, prefilled ([\d,]+) instead of ([\d,]+) tokens")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_mistral(tmp_path_factory.mktemp("position") / "model", window=1_024)


def scripted(say: Any, tokenizer: Path, length: int) -> dict[str, Any]:
    """Run lm_eval in this process on a model that answers `say(prompt)`, and return the metrics of litm_kv."""
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Scripted(LM):
        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            return [say(request.args[0]) for request in requests]

        def loglikelihood(self, requests: list[Any]) -> list[Any]:
            raise NotImplementedError

        loglikelihood_rolling = loglikelihood

    metadata = {"tokenizer": str(tokenizer), "max_length": length, "probe_length": length, "probe_questions": 20}
    manager = TaskManager(include_path=str(ROOT / "lm_eval_tasks"), include_defaults=False, metadata=metadata)
    found = simple_evaluate(Scripted(), tasks=["litm_kv"], task_manager=manager, metadata=metadata, log_samples=False)
    return found["results"]["litm_kv"]


def by_depth(numbers: dict[str, Any]) -> list[float]:
    """Return the mean score at each depth."""
    scores = position_scores_from_text(numbers["scores_stderr,none"])
    (length,) = scores.lengths
    sets = scores.sets(length)
    return [sum(one.scores[depth] for one in sets) / len(sets) for depth in range(scores.n_depths)]


def test_an_oracle_scores_100_at_every_depth_of_16k(mistral_folder):
    numbers = scripted(answer, mistral_folder, 16_384)
    assert by_depth(numbers) == [1.0] * 10
    assert (numbers["acc,none"], numbers["avg,none"], numbers["recall,none"]) == (1.0, 1.0, 1.0)
    assert numbers["dip,none"] == pytest.approx(0.0) and (numbers["echo,none"], numbers["other,none"]) == (0.0, 0.0)


def test_an_echo_and_a_model_that_reads_only_the_ends(mistral_folder):
    numbers = scripted(lambda prompt: prompt[-80:], mistral_folder, 2_048)
    assert by_depth(numbers) == [0.0] * 10 and numbers["acc,none"] == numbers["echo,none"] == 0.0
    ends = scripted(lambda prompt: answer(prompt[:600] + prompt[-600:]), mistral_folder, 4_096)
    depths = by_depth(ends)
    assert depths[0] == depths[9] == 1.0 and depths[3:7] == [0.0] * 4 and ends["dip,none"] > 0.4


def position_scores(folder: Path) -> PositionScores:
    (path,) = folder.rglob("results_*.json")
    return position_scores_from_text(json.loads(path.read_text())["results"]["litm_kv"]["scores_stderr,none"])


def generated(command: tuple[str, ...], kind: str, model: Path, out: Path, *more: object) -> tuple[str, list]:
    """Run lm_eval on the tiny model and return its output and its samples."""
    said = run_warm(
        *command, "--model", kind, "--model_args", f"pretrained={model},dtype=float32", "--device", "cpu",
        "--batch_size", "1", "--tasks", "litm_kv", "--metadata", json.dumps(SHORT), "--gen_kwargs", "max_gen_toks=8",
        "--output_path", out, "--log_samples", *more, cwd=out.parent,
    )  # fmt: skip
    (path,) = out.rglob("samples_litm_kv_*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return said, [(row["doc"]["set"], row["doc"]["position"], row["resps"][0][0], row["acc"]) for row in rows]


def test_in2_hf_reads_each_context_once_and_answers_like_hf(lm_eval_python, model, tmp_path):
    more = ("--include_path", ROOT / "lm_eval_tasks")
    _, expected = generated((lm_eval_python, "lm_eval"), "hf", model, tmp_path / "hf", *more)
    said, found = generated((lm_eval_python, *IN2), "in2-hf", model, tmp_path / "in2")
    assert found == expected and len(found) == 50 and len({row[2] for row in found}) > 5
    contexts, questions, prefilled, alone = (int(n.replace(",", "")) for n in READ.search(said).groups())
    # ten contexts of five questions, and the whole answers that are compared
    assert (contexts, questions) == (10, 50) and prefilled * 2 < alone
    assert "falls back to hf" not in said
    assert position_scores(tmp_path / "hf") == position_scores(tmp_path / "in2")
    assert position_scores(tmp_path / "in2").window == 1_024


@pytest.mark.parametrize(
    "backend", ["local-completions", pytest.param("in2-local-completions", marks=pytest.mark.e2e_full)]
)
def test_a_server_that_knows_every_answer(lm_eval_python, model, tmp_path, backend):
    from transformers import AutoTokenizer

    with OracleServer(AutoTokenizer.from_pretrained(model)) as oracle:
        names = f"base_url={oracle.url()},model=oracle,tokenizer={model},max_length=1025"
        run_warm(lm_eval_python, *IN2, "--model", backend, "--model_args", names, "--tasks", "litm_kv",
                 "--metadata", json.dumps(SHORT), "--output_path", tmp_path, cwd=tmp_path)  # fmt: skip
        # one request more than is scored checks that the server reads all of the longest prompt
        assert len(oracle.prompts) == 50 + 1
    (path,) = tmp_path.rglob("results_*.json")
    assert by_depth(json.loads(path.read_text())["results"]["litm_kv"]) == [1.0] * 5


@pytest.mark.e2e_full
def test_a_prompt_that_does_not_fit_stops_the_run(lm_eval_python, model, tmp_path):
    said = run_warm(lm_eval_python, *IN2, "--model", "hf", "--model_args", f"pretrained={model}", "--device", "cpu",
                    "--tasks", "litm_kv", "--metadata", '{"probe_length": 2048}', "--output_path", tmp_path,
                    cwd=tmp_path, ok=False)  # fmt: skip
    (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert re.fullmatch(
        r"error: the longest prompt has [\d,]+ tokens and 100 are generated, but the window is 1,024 \(.*\) and probes "
        r"are never truncated: set probe_length to at most 1024 in --metadata, or, .*",
        error,
    )
    assert "Traceback" not in said and not list(tmp_path.rglob("results_*.json"))
