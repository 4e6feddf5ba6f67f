"""Jobs of an array: the same bytes as one process, one folder, and a merge that names missing shards."""

import pytest

from in2_plugin.config import BuildConfig
from in2_plugin.errors import ArrayJobDone, ConfigError, FolderLocked, ShardsMissing
from in2_plugin.inspection.status import read_status
from in2_plugin.io.lock import folder_lock
from in2_plugin.pipeline.array_job import ArrayJob
from in2_plugin.pipeline.build import build_dataset
from tests.support.builds import Quiet
from tests.support.sharded_builds import MERGE, assert_same, config, small_shards


@pytest.mark.parametrize("text", ["3", "0/4", "5/4", "a/b", "1/-2", ""])
def test_a_share_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="from 1/16 to 16/16"):
        ArrayJob.parse(text)


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


@pytest.mark.slow
def test_jobs_of_an_array_and_merges_give_the_same_bytes(whole, corpus, mistral_folder, tmp_path):
    with small_shards():
        said = run_jobs(config(corpus, tmp_path / "in2", mistral_folder), 3)
    assert_same(whole, tmp_path / "in2")
    assert [line.partition(":")[0] for line in said] == [
        "segments-0", "screening", "questions-fine_grained-fine_grained", "examples", "plans"
    ]  # fmt: skip


@pytest.mark.slow
def test_a_merge_names_what_is_missing(corpus, mistral_folder, tmp_path):
    asked = config(corpus, tmp_path / "in2", mistral_folder)
    with small_shards():
        with pytest.raises(ArrayJobDone, match=r"job 2 of 2 are done, \d+ of \d+ are left"):
            build_dataset(asked, Quiet(), array_job=ArrayJob(2, 2))
        found = read_status(asked.output)
        finished, shards = found.shards["segments-0"]
        assert 0 < finished < shards
        assert found.next_step.startswith("run `in2 merge`")
        with pytest.raises(ShardsMissing, match="the first is number 0; run `in2 build --shard i/n`"):
            build_dataset(asked, Quiet(), array_job=MERGE)


@pytest.mark.slow
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
