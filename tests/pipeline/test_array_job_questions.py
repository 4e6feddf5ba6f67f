"""When the answers of jobs may be merged."""

import pytest

from in2_plugin.errors import ShardsMissing
from in2_plugin.pipeline.array_job_questions import _require_all_jobs


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
