"""A judge reads the hardest fillers; those that answer a question are replaced, the same ones in every run."""

import re

import pytest

from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import ArrayJobDone, NotEnoughSegments
from in2_plugin.layout import WORK_LOG
from in2_plugin.pipeline.array_job import ArrayJob
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.questions.model.checks import words
from tests.support.builds import Quiet, endpoint_config
from tests.support.fault_server import FaultServer, default_reply
from tests.support.stage_runs import MERGE, Stages, small_shards

HARDEST = 3
BAD = re.compile(r"\bimport\b")
"""The judge of these tests finds an answer in every text with this word."""


def reply(body: dict) -> str:
    prompt = body["messages"][0]["content"]
    if "UNANSWERABLE" in prompt and "\nText:\n" in prompt:
        return "By importing it." if BAD.search(prompt.partition("\nText:\n")[2]) else "UNANSWERABLE"
    return default_reply(body)


def config(folder, tokenizer, server, **changes):
    endpoint = {"model": "m", "base_url": server.base_url, "api_key_env": None, "concurrency": "2-8", "timeout": 20}
    values = {
        "questions": {"writer": "endpoint", "endpoint": endpoint},
        "mixture": {"fine_grained": 30, "integration": 4, "short_context": 3},
        "distractors": {"judge_hardest": HARDEST},
    }
    return endpoint_config(folder, tokenizer, server.base_url, **{**values, **changes})


@pytest.fixture(scope="module")
def judged(tmp_path_factory, mistral_folder):
    folder = tmp_path_factory.mktemp("judged") / "in2"
    progress = Quiet()
    with FaultServer(reply) as server:
        build_dataset(config(folder, mistral_folder, server), progress)
        paid = server.paid.total()
        (folder / "manifest.json").unlink()
        (folder / "examples.parquet").rename(folder / "before.parquet")
        build_dataset(config(folder, mistral_folder, server), Quiet())
        return folder, progress, paid, server.paid.total()


def test_the_hardest_fillers_do_not_answer(judged):
    folder, progress, _, _ = judged
    store = SegmentStore(folder / "segments")
    long = [row for row in read_rows(folder / "examples.parquet") if row["part"] != "short_context"]
    assert len(long) == 34
    for row in long:
        (turn,) = row["turns"]
        asked = set(words(turn["question"]))
        fillers = [i for i in row["segment_ids"] if i not in turn["segment_ids"]]
        shared = {i: len(asked.intersection(words(store.text(i)))) for i in fillers}
        hardest = sorted(fillers, key=lambda i: (-shared[i], i))[:HARDEST]
        assert not any(BAD.search(store.text(i)) for i in hardest)
    (said,) = [line for line in progress.lines if "a judge read" in line]
    read, replaced = (int(n.replace(",", "")) for n in re.findall(r"read ([\d,]+) fillers, ([\d,]+) replaced", said)[0])
    assert read >= 34 * HARDEST and 0 < replaced < read


def test_another_run_pays_nothing_and_replaces_the_same(judged):
    folder, _, first, both = judged
    assert both == first
    assert (folder / "examples.parquet").read_bytes() == (folder / "before.parquet").read_bytes()


def test_jobs_of_an_array_ask_no_judge_and_the_one_that_merges_does(judged, mistral_folder, tmp_path, monkeypatch):
    folder, *_ = judged
    small_shards(monkeypatch)
    monkeypatch.setattr("in2_plugin.dataset.tables.ROW_GROUP", 1_000)
    with FaultServer(reply) as server:
        stages = Stages.of(config(folder, mistral_folder, server), tmp_path / "in2", WORK_LOG)
        for share in (ArrayJob(1, 2), ArrayJob(2, 2)):
            with pytest.raises(ArrayJobDone):
                stages.examples(share)
        assert not server.paid and not (stages.folder / WORK_LOG).exists()
        progress = stages.examples(MERGE)
        assert server.paid.total() > 0
    assert any("a judge read" in line for line in progress.lines)
    assert (stages.folder / "examples.parquet").read_bytes() == (folder / "before.parquet").read_bytes()


def test_a_judge_that_finds_answers_everywhere_is_one_sentence(mistral_folder, tmp_path):
    def everywhere(body):
        return "Yes." if "UNANSWERABLE" in body["messages"][0]["content"] else default_reply(body)

    with FaultServer(everywhere) as server, pytest.raises(NotEnoughSegments, match="in every filler"):
        build_dataset(
            config(tmp_path / "in2", mistral_folder, server, mixture={"fine_grained": 3, "integration": 0}), Quiet()
        )
    assert not (tmp_path / "in2/examples.parquet").exists()
