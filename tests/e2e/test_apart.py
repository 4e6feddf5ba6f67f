"""A probe and a training set of one corpus share no document; otherwise the real lm_eval warns. Its logs are judged."""

import json
import sys
from pathlib import Path

import pytest

from in2_plugin.config.probe import ProbeConfig
from in2_plugin.corpus.screening.document_digests import read_digests
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.probing.judging.judged_answers import read_judged
from in2_plugin.probing.own_text.build import build_own_probe
from tests.support.builds import Quiet, small_config
from tests.support.e2e_run import run
from tests.support.fault_server import FaultServer
from tests.support.tiny_model import save_tiny_mistral

pytestmark = pytest.mark.slow

IN2 = (sys.executable, "-c", "from in2_plugin.cli.app import app; app()")
SOURCES = [{"path": "bundled:python-docs", "limit": 900}]


@pytest.fixture(scope="module")
def probe(built, mistral_folder, tmp_path_factory) -> Path:
    """A probe of documents that the small dataset does not have."""
    folder = tmp_path_factory.mktemp("apart") / "probe"
    section = {"sources": SOURCES, "decontamination": {"against": str(built)}}
    config = ProbeConfig.parse(
        {
            "output": str(folder), "tokenizer": str(mistral_folder), "corpus": section, "workers": 1,
            "fine_grained": 5, "integration": 0, "lengths": [1_024], "questions_per_context": 5,
        },
        "test",
    )  # fmt: skip
    build_own_probe(config, Quiet())
    return folder


def documents(folder: Path) -> frozenset[str]:
    return read_digests(folder / "documents.parquet")


def test_neither_shares_a_document_with_the_other(built, probe, mistral_folder, tmp_path):
    assert documents(probe) and not documents(probe) & documents(built)
    corpus = {"sources": SOURCES, "decontamination": {"against": [str(probe)]}}
    progress = Quiet()
    build_dataset(small_config(tmp_path / "in2", mistral_folder, corpus=corpus), progress)
    assert not documents(probe) & documents(tmp_path / "in2")
    n = len(documents(probe))
    assert any(line.startswith(f"{n} documents left out because a folder of `decont") for line in progress.lines)


@pytest.mark.e2e_full
def test_lm_eval_warns_of_shared_documents_and_its_logs_are_judged(probe, tmp_path):
    save_tiny_mistral(tmp_path / "model", window=2_048)
    metadata = {"probe": str(probe), "trained_on": str(probe)}
    output = run(
        *IN2, "lm-eval", "--model", "hf", "--model_args", f"pretrained={tmp_path / 'model'},dtype=float32",
            "--tasks", "in2_probe", "--metadata", json.dumps(metadata), "--limit", "10", "--device", "cpu",
            "--log_samples", "--output_path", str(tmp_path / "results"), "--gen_kwargs", "max_gen_toks=8", cwd=tmp_path,
    )  # fmt: skip
    n = len(documents(probe))
    assert f"{n} of the {n} documents of {probe} (100%) are in the training data of the model" in output
    with FaultServer(lambda body: "NO") as server:
        run(*IN2, "probe", "judge", "results", "--base-url", server.base_url, "--model", "j", cwd=tmp_path)
    files = tmp_path.rglob("judged_*.jsonl")
    judged = {path.name.removeprefix("judged_in2_probe_").rpartition("_")[0]: read_judged(path) for path in files}
    assert {name: len(rows) for name, rows in judged.items()} == {"context": 10, "closed_book": 5, "gold_only": 5}
    assert {row.depth for row in judged["context"]} == set(range(5))
    assert not any(row.verdict for rows in judged.values() for row in rows)
