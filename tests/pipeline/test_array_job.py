"""A build in shards: of any size, by several workers, by jobs that know nothing of each other, killed half-way."""

import gzip
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from in2_plugin.config import BuildConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.build_record import Change
from in2_plugin.dataset.tables import read_rows
from in2_plugin.errors import ArrayJobDone, ConfigError, FolderLocked, ShardsMissing
from in2_plugin.inspection.status import read_status
from in2_plugin.io.lock import folder_lock
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.pipeline.array_job import ArrayJob
from in2_plugin.pipeline.build import build_dataset
from tests.support.builds import Quiet, endpoint_config, small_config
from tests.support.fault_server import FaultServer
from tests.support.sharded_builds import assert_same, config, small_shards, write_corpus

pytestmark = pytest.mark.slow

MERGE = ArrayJob(number=0)
SMALLER = {"mixture": {"fine_grained": 20, "integration": 5}, "lengths": {"min": 300, "max": 600}}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, documents) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), [document.text for document in documents[:300]])


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory, mistral_folder) -> Path:
    """Built by one process, a shard a stage."""
    folder = tmp_path_factory.mktemp("whole") / "in2"
    build_dataset(config(corpus, folder, mistral_folder), Quiet())
    return folder


def test_small_shards_and_several_workers_change_no_byte(whole, corpus, mistral_folder, tmp_path):
    with small_shards():
        build_dataset(config(corpus, tmp_path / "in2", mistral_folder, workers=3), Quiet())
    assert_same(whole, tmp_path / "in2")


def run_jobs(asked: BuildConfig, jobs: int) -> list[str]:
    """Jobs and merges in turns until the dataset is complete; returns what the merges said."""
    said: list[str] = []
    while True:
        try:
            build_dataset(asked, Quiet(), array_job=MERGE)
        except ShardsMissing as missing:
            said.append(str(missing))
        else:
            return said
        assert len(said) < 10
        for number in range(1, jobs + 1):
            with pytest.raises(ArrayJobDone):
                build_dataset(asked, Quiet(), array_job=ArrayJob(number, jobs))


def test_jobs_of_an_array_and_merges_give_the_same_bytes(whole, corpus, mistral_folder, tmp_path):
    with small_shards():
        said = run_jobs(config(corpus, tmp_path / "in2", mistral_folder), 3)
    assert_same(whole, tmp_path / "in2")
    assert [line.partition(":")[0] for line in said] == [
        "segments-0", "screening", "questions-fine_grained-fine_grained", "examples", "plans"
    ]  # fmt: skip


def test_a_merge_names_what_is_missing(corpus, mistral_folder, tmp_path):
    asked = config(corpus, tmp_path / "in2", mistral_folder)
    with small_shards():
        with pytest.raises(ArrayJobDone, match=r"job 2 of 2 are done, \d+ of \d+ are left"):
            build_dataset(asked, Quiet(), array_job=ArrayJob(2, 2))
        found = read_status(asked.output)
        sealed, shards = found.shards["segments-0"]
        assert 0 < sealed < shards
        assert found.next_step.startswith("run `in2 merge`")
        with pytest.raises(ShardsMissing, match="the first is number 0; run `in2 build --shard i/n`"):
            build_dataset(asked, Quiet(), array_job=MERGE)


def test_jobs_hold_the_folder_together_and_nobody_else(corpus, mistral_folder, tmp_path):
    asked = config(corpus, tmp_path / "in2", mistral_folder)
    asked.output.mkdir()
    with folder_lock(asked.output, "1-of-2"):
        with pytest.raises(FolderLocked), folder_lock(asked.output, "1-of-2"):
            pass
        with pytest.raises(FolderLocked):
            build_dataset(asked, Quiet())
        with small_shards(), pytest.raises(ArrayJobDone):
            build_dataset(asked, Quiet(), array_job=ArrayJob(2, 2))


@pytest.mark.parametrize("text", ["3", "0/4", "5/4", "a/b", "1/-2", ""])
def test_a_share_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="from 1/16 to 16/16"):
        ArrayJob.parse(text)


def test_jobs_ask_a_server_once_for_what_one_process_asks(mistral_folder, tmp_path):
    rows = ["questions.parquet", "rejected.parquet", "examples.parquet"]
    with FaultServer() as server:
        build_dataset(endpoint_config(tmp_path / "whole", mistral_folder, server.base_url), Quiet())
    with FaultServer() as server:
        asked = endpoint_config(tmp_path / "jobs", mistral_folder, server.base_url)
        for number in (1, 2, 3):
            with pytest.raises(ArrayJobDone):
                build_to_questions(asked, ArrayJob(number, 3))
        before = server.paid.total()
        with pytest.raises(ShardsMissing, match="examples"):
            build_dataset(asked, Quiet(), array_job=MERGE)
        merging = server.paid.total() - before
        build_dataset(asked, Quiet())
    unequal = [name for name in rows if (tmp_path / "whole" / name).read_bytes() != (asked.output / name).read_bytes()]
    assert unequal == []
    assert set(server.paid.values()) == {1}
    assert merging < 0.2 * before
    assert not list(asked.output.glob("work-*"))


def build_to_questions(asked: BuildConfig, array_job: ArrayJob) -> None:
    """Jobs and merges up to the questions, and there this job's share."""
    try:
        build_dataset(asked, Quiet(), array_job=array_job)
    except ArrayJobDone as done:
        if str(done).startswith("questions"):
            raise
        try:
            build_dataset(asked, Quiet(), array_job=MERGE)
        except ShardsMissing:
            build_to_questions(asked, array_job)


def test_what_a_job_paid_for_is_not_asked_again_when_it_is_killed_and_run_again(mistral_folder, tmp_path):
    with FaultServer() as server:
        asked = endpoint_config(tmp_path / "in2", mistral_folder, server.base_url)
        with pytest.raises(ArrayJobDone):
            build_to_questions(asked, ArrayJob(1, 2))
        paid = server.paid.total()
        # a job that was killed has a log and no marker
        (asked.output / "parts/asked/1-of-2.json").unlink()
        with pytest.raises(ArrayJobDone):
            build_dataset(asked, Quiet(), array_job=ArrayJob(1, 2))
        assert server.paid.total() == paid
        with pytest.raises(ShardsMissing, match="jobs 2 of 2 have not finished asking"):
            build_dataset(asked, Quiet(), array_job=MERGE)
        # nor when it is then built by one process
        build_dataset(asked, Quiet())
        assert set(server.paid.values()) == {1}
        log = WorkLog(asked.output / "work.sqlite", read_only=True)
        assert sum(use.answers for use in log.totals().values()) == server.paid.total()
        log.close()


DRIVER = """
import sys
from pathlib import Path
from tests.support.builds import Quiet
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.config import BuildConfig
from tests.support.sharded_builds import assert_same, config, small_shards, write_corpus
if __name__ == "__main__":
    with small_shards():
        build_dataset(BuildConfig.model_validate_json(Path(sys.argv[1]).read_text()), Quiet())
"""


@pytest.mark.parametrize("stage", ["segments-0", "examples"])
def test_a_killed_driver_goes_on_where_its_sealed_shards_end(whole, corpus, mistral_folder, tmp_path, stage):
    asked = config(corpus, tmp_path / "in2", mistral_folder, workers=2)
    parts = asked.output / "parts" / stage
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "asked.json").write_text(asked.model_dump_json())
    child = subprocess.Popen([sys.executable, "driver.py", "asked.json"], cwd=tmp_path)
    try:
        while len(list(parts.glob("*.arrow"))) < 2:
            assert child.poll() is None, "it ended before it could be killed"
            time.sleep(0.002)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    sealed = {path.name: path.stat().st_mtime_ns for path in parts.glob("*.arrow")}
    seen: dict[str, int] = {}

    class Watching(Quiet):
        def stage(self, name, total, detail=None):
            if name in {"merging segments", "writing examples"}:
                seen.update({path.name: path.stat().st_mtime_ns for path in parts.glob("*.arrow")})
            return super().stage(name, total, detail)

    with small_shards():
        build_dataset(asked, Watching())
    assert len(seen) > len(sealed) >= 2
    assert {name: seen[name] for name in sealed} == sealed
    assert_same(whole, asked.output)


def test_shards_of_another_corpus_are_not_taken(corpus, mistral_folder, tmp_path):
    first = config(corpus, tmp_path / "in2", mistral_folder)
    with small_shards(), pytest.raises(ArrayJobDone):
        build_dataset(first, Quiet(), array_job=ArrayJob(1, 2))
    other = tmp_path / "other.jsonl"
    other.write_text((corpus / "b.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    second = small_config(tmp_path / "in2", mistral_folder, corpus={"sources": [str(other)]})
    with small_shards():
        build_dataset(second, Quiet(), Change.RESTART)
    build_dataset(small_config(tmp_path / "fresh", mistral_folder, corpus={"sources": [str(other)]}), Quiet())
    assert_same(tmp_path / "fresh", tmp_path / "in2")


def test_a_limit_is_met_document_by_document_whatever_the_shards(corpus, mistral_folder, tmp_path):
    sources = [{"path": str(corpus / "a.jsonl"), "limit": 77}, {"path": str(corpus / "b.jsonl"), "limit": 20}]
    for name in ("one", "many"):
        asked = small_config(tmp_path / name, mistral_folder, corpus={"sources": sources}, **SMALLER)
        if name == "one":
            build_dataset(asked, Quiet())
        else:
            with small_shards():
                build_dataset(asked, Quiet())
    assert_same(tmp_path / "one", tmp_path / "many")
    manifest = json.loads((tmp_path / "many/manifest.json").read_text())
    assert manifest["counts"]["documents"] == 97
    assert sum(1 for _ in read_rows(tmp_path / "many/examples.parquet")) == 25


def test_large_compressed_files_are_unpacked_and_keep_their_keys(corpus, mistral_folder, tmp_path, monkeypatch):
    """Built where the plain files and then the compressed ones have the same relative names."""
    monkeypatch.setattr("in2_plugin.pipeline.decompress.UNPACK_BYTES", 1)
    asked = {"corpus": {"sources": ["text"]}, **SMALLER}
    for name, compress in {"plain": lambda data: data, "packed": gzip.compress}.items():
        ending = ".gz" if name == "packed" else ""
        (tmp_path / name / "text").mkdir(parents=True)
        for path in corpus.iterdir():
            (tmp_path / name / "text" / f"{path.name}{ending}").write_bytes(compress(path.read_bytes()))
        monkeypatch.chdir(tmp_path / name)
        with small_shards():
            build_dataset(small_config(Path("in2"), mistral_folder, **asked), Quiet())
    plain, packed = (SegmentStore(tmp_path / name / "in2/segments") for name in ("plain", "packed"))
    keys = [key.replace(".jsonl.gz:", ".jsonl:") for key in packed.documents["key"].to_pylist()]
    assert keys == plain.documents["key"].to_pylist()
    assert packed.table.equals(plain.table)
    assert not (tmp_path / "packed/in2/parts").exists()
