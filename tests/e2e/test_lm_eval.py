"""Run the real lm_eval as a subprocess, on a tiny random Mistral and on a server that knows every answer."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.scoring.curves import curve_from_positions
from tests.support.e2e_run import ROOT, run
from tests.support.oracle_server import OracleServer
from tests.support.tiny_model import save_tiny_mistral
from tests.support.warm_start import run_warm

pytestmark = pytest.mark.slow

TASKS = [probe.task for probe in PROBES.values() if probe.paper]


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    return save_tiny_mistral(tmp_path_factory.mktemp("lm_eval") / "model", window=1_024)


def results(folder: Path) -> dict:
    (path,) = folder.rglob("results_*.json")
    return json.loads(path.read_text())


def samples(folder: Path, task: str) -> list[dict]:
    (path,) = folder.rglob(f"samples_{task}_*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def hf(model: Path, out: Path, *more: object, length: int = 512) -> list[object]:
    """Return the arguments of a short run with the hf backend."""
    return [
        "--model", "hf", "--model_args", f"pretrained={model},dtype=float32", "--device", "cpu", "--batch_size", "8",
        "--metadata", json.dumps({"probe_length": length}), "--output_path", out, "--log_samples", *more,
    ]  # fmt: skip


def test_the_group_with_include_path(lm_eval_python, model, tmp_path):
    more = ("--tasks", "val_probe", "--include_path", ROOT / "lm_eval_tasks", "--limit", 8, "--apply_chat_template",
            "--gen_kwargs", "max_gen_toks=8")  # fmt: skip
    run(lm_eval_python, "-m", "lm_eval", *hf(model, tmp_path, *more), cwd=tmp_path)
    found = results(tmp_path)
    assert set(found["results"]) == {"val_probe", *TASKS}
    assert {"avg,none", "gap,none"} <= set(found["results"]["val_probe"]) and "val_probe" in found["groups"]
    for probe in PROBES.values():
        task = probe.task
        numbers = found["results"][task]
        spans = [numbers[f"span_{index:02d},none"] for index in range(probe.spans)]
        assert f"span_{probe.spans:02d},none" not in numbers
        assert isinstance(numbers["acc_stderr,none"], float) and numbers["avg_stderr,none"] == "N/A"
        rows = samples(tmp_path, task)
        assert len(rows) == found["n-samples"][task]["effective"] == 8
        places = [(row["acc"], row["doc"]["position"], row["doc"]["n_positions"], row["doc"]["set"]) for row in rows]
        again = curve_from_positions(places, probe.spans)
        assert again.spans == pytest.approx(spans) and None in spans
        assert (again.avg, again.gap) == pytest.approx((numbers["avg,none"], numbers["gap,none"]))
        assert {row["doc"]["set"] for row in rows} == {0, 1, 2, 3} and len({row["doc"]["span"] for row in rows}) >= 4
        prompt = rows[0]["arguments"]["gen_args_0"]["arg_0"]
        assert prompt.startswith("<s>[INST] Below is a context") and prompt.endswith("[/INST]")
        assert all(gold in prompt for gold in rows[0]["doc"]["gold"])
    mean = sum(found["results"][task]["avg,none"] for task in TASKS) / 3
    assert found["results"]["val_probe"]["avg,none"] == pytest.approx(mean)
    assert found["configs"]["val_probe_code"]["metadata"]["probe_length"] == 512


def test_our_command_finds_the_tasks(lm_eval_python, model, tmp_path):
    """`in2 lm-eval` with a subcommand, with the user's own folder, and with errors in one sentence."""
    in2 = (lm_eval_python, "in2_plugin.cli", "lm-eval")
    own = tmp_path / "own"
    own.mkdir()
    said = run_warm(*in2, "validate", "--tasks", ",".join(["val_probe", *TASKS]), "--include_path", own, cwd=tmp_path)
    assert "not found" not in said.lower()
    refused = run_warm(*in2, *hf(model, tmp_path, "--tasks", "val_probe_code", length=2_048), cwd=tmp_path, ok=False)
    assert re.search(
        r"^error: the longest prompt has .* but the window is 1,024 .*probe_length to at most 1024", refused, re.M
    )
    assert "Traceback" not in refused
    typo = hf(model, tmp_path, "--tasks", "val_probe_code", "--metadata", '{"probe_lenght": 512}')
    refused = run_warm(*in2, *typo, cwd=tmp_path, ok=False)
    assert refused.strip().endswith("unknown key `probe_lenght`; did you mean `probe_length`?")


@pytest.mark.e2e_full
def test_installed_tasks_work_with_plain_lm_eval_and_are_harmless_without_in2(lm_eval_python, model, tmp_path):
    """Install, run, run something else with in2_plugin hidden, uninstall."""
    in2 = (lm_eval_python, "-m", "in2_plugin.cli", "tasks")
    bare = (lm_eval_python, "-m", "lm_eval")
    run(*in2, "install", cwd=tmp_path)
    try:
        run(*in2, "install", cwd=tmp_path)
        out = tmp_path / "out"
        run(*bare, *hf(model, out, "--tasks", "val_probe_database", "--limit", 2), cwd=tmp_path)
        assert set(results(out)["results"]) == {"val_probe_database"}
        hidden = "import sys, runpy; sys.modules['in2_plugin'] = None; sys.argv = ['lm_eval', 'validate', '--tasks', "
        said = run(lm_eval_python, "-c", hidden + "'arc_easy']; runpy.run_module('lm_eval')", cwd=tmp_path)
        assert "not found" not in said.lower() and "Traceback" not in said
    finally:
        said = run(*in2, "uninstall", cwd=tmp_path)
    assert said.startswith("removed ")
    run(*bare, *hf(model, tmp_path / "gone", "--tasks", "val_probe_database", "--limit", 2), cwd=tmp_path, ok=False)


@pytest.fixture
def oracle(model) -> Iterator[OracleServer]:
    from transformers import AutoTokenizer

    with OracleServer(AutoTokenizer.from_pretrained(model)) as server:
        yield server


def completions(url: str, model: Path, out: Path, *arguments: str) -> list[object]:
    names = ",".join([f"base_url={url}", "model=oracle", f"tokenizer={model}", *arguments])
    return [
        "lm_eval", "--model", "local-completions", "--model_args", names, "--tasks", "val_probe",
        "--include_path", ROOT / "lm_eval_tasks", "--metadata", json.dumps({"probe_length": 4_096, "probe_sets": 2}),
        "--output_path", out, "--log_samples",
    ]  # fmt: skip


def test_an_oracle_scores_one_without_a_gap_and_truncation_is_refused(lm_eval_python, oracle, model, tmp_path):
    said = run_warm(lm_eval_python, *completions(oracle.url(), model, tmp_path), cwd=tmp_path, ok=False)
    assert "in2_plugin.errors.PromptTooLong" in said and "default max_length of 2,048" in said and oracle.prompts == []
    needed = re.search(r"max_length=(\d+) in --model_args", said)[1]
    assert 3_900 < int(needed) <= 4_097
    run_warm(lm_eval_python, *completions(oracle.url(), model, tmp_path, "max_length=4097"), cwd=tmp_path)
    found = results(tmp_path)["results"]
    for task in ("val_probe", *TASKS):
        assert (found[task]["avg,none"], found[task]["gap,none"]) == (1.0, 0.0)
    # one request per probe checks that the server reads all of it
    assert len(oracle.prompts) == sum(len(samples(tmp_path, task)) for task in TASKS) + len(TASKS) > 100
    assert all(prompt.startswith("Below is a context") for prompt in oracle.prompts)
