"""`in2 report` on results that lm_eval wrote: a tiny model before, a server that knows every answer after."""

import json
import sys

import pytest

from tests.support.e2e_run import run
from tests.support.oracle_server import OracleServer
from tests.support.tiny_model import save_tiny_mistral

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-c", "from in2_plugin.cli.app import app; app()")
SHORT = json.dumps({"probe_length": 1_000, "probe_depths": 5, "probe_questions": 10})


def test_a_tiny_model_and_an_oracle_on_the_same_questions(tmp_path):
    from transformers import AutoTokenizer

    model = save_tiny_mistral(tmp_path / "model", window=1_024)
    asked = ("--tasks", "litm_kv", "--metadata", SHORT, "--log_samples", "--output_path")
    run(*COMMAND, "lm-eval", "--model", "hf", "--model_args", f"pretrained={model}", "--device", "cpu",
        "--gen_kwargs", "max_gen_toks=8", *asked, tmp_path / "before", cwd=tmp_path)  # fmt: skip
    with OracleServer(AutoTokenizer.from_pretrained(model)) as oracle:
        names = f"base_url={oracle.url()},model=oracle,tokenizer={model},max_length=1025"
        run(*COMMAND, "lm-eval", "--model", "local-completions", "--model_args", names, *asked, tmp_path / "after",
            cwd=tmp_path)  # fmt: skip
    said = run(*COMMAND, "report", "before", "after", "--label", "tiny", "--label", "oracle", cwd=tmp_path)
    assert "litm_kv: " in said
    value = json.loads((tmp_path / "report.json").read_text())["position_probes"]
    (section,) = value["sections"]
    tiny, oracle_scores = section["models"]
    assert (tiny["avg"], oracle_scores["avg"]) == (0.0, 1.0)
    assert tiny["window"] == 1_024
    assert value["differences"][0]["same_questions"] is True
    assert len(section["found"][0]["pairs"]) == 3 and section["how_to_log"] == ""
    page = (tmp_path / "report.html").read_text()
    assert "In the middle: wrong with tiny, right with oracle" in page
