"""Array jobs ask a server once for what one process asks, and a merge waits for all of them."""

import pytest

from in2_plugin.config import BuildConfig
from in2_plugin.errors import ArrayJobDone, ShardsMissing
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.pipeline.array_job import ArrayJob
from in2_plugin.pipeline.build import build_dataset
from in2_plugin.pipeline.stages.array_job_questions import _require_all_jobs
from tests.support.builds import Quiet, endpoint_config
from tests.support.fault_server import FaultServer
from tests.support.sharded_builds import MERGE


def mark(folder, *names):
    asked = folder / "parts/asked"
    asked.mkdir(parents=True)
    for name in names:
        (asked / f"{name}.json").touch()
    return folder


def test_a_whole_set_is_enough_beside_a_set_that_was_given_up(tmp_path):
    _require_all_jobs(mark(tmp_path, "1-of-8", "5-of-8", "1-of-2", "2-of-2"))


def test_of_several_sets_the_one_that_lacks_least_is_named(tmp_path):
    with pytest.raises(ShardsMissing, match="jobs 3 of 3 have not finished asking"):
        _require_all_jobs(mark(tmp_path, "1-of-8", "1-of-3", "2-of-3"))


def test_without_any_job_nothing_can_be_merged(tmp_path):
    with pytest.raises(ShardsMissing, match="no job has finished asking"):
        _require_all_jobs(tmp_path)


@pytest.mark.slow
@pytest.mark.e2e_full
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


@pytest.mark.slow
@pytest.mark.e2e_full
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
