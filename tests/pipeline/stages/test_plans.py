"""plans/ has the same bytes however its shards were made; a row that is not what was planned ends the stage."""

import pytest

from in2_plugin.dataset.tables import EXAMPLES, read_rows, write_rows
from in2_plugin.errors import ArrayJobDone, DatasetError, ShardsMissing
from in2_plugin.execution.local import LocalEngine
from in2_plugin.pipeline.array_job import ArrayJob
from tests.support.stage_runs import MERGE, Watched, contents, forget_openings


@pytest.fixture
def expected(finished) -> dict[str, bytes]:
    return contents(finished.output)


@pytest.fixture
def planned(again):
    again.examples()
    return again


@pytest.mark.parametrize("workers", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_the_same_bytes_whatever_the_number_of_workers(planned, expected, workers):
    planned.plans(engine=LocalEngine(workers))
    assert contents(planned.folder) == expected
    assert not planned.parts("plans")


def test_jobs_of_an_array_make_their_shares_and_one_merges(planned, expected):
    for number in (2, 1):
        with pytest.raises(ShardsMissing, match="plans: "):
            planned.plans(MERGE)
        with pytest.raises(ArrayJobDone):
            planned.plans(ArrayJob(number, 2))
        assert not (planned.folder / "plans/facts.json").exists()
    planned.plans(MERGE)
    assert contents(planned.folder) == expected


def test_a_killed_run_goes_on_where_it_stopped(planned, expected):
    with pytest.raises(KeyboardInterrupt):
        planned.plans(engine=Watched(stop_after=1))
    before = planned.parts("plans")
    (planned.folder / "parts/plans/00003.arrow.part").write_bytes(b"torn")
    watched = Watched()
    with pytest.raises(ArrayJobDone):
        planned.plans(ArrayJob(2, 2), watched)
    after = planned.parts("plans")
    assert before and before.items() <= after.items(), "a finished part was made again"
    assert {f"{group:05d}.arrow" for group in watched.asked} == after.keys() - before.keys()
    assert planned.folder / "examples.parquet" in watched.needs
    planned.plans()
    assert contents(planned.folder) == expected


def test_parts_of_other_examples_are_not_taken(planned, expected):
    with pytest.raises(ArrayJobDone):
        planned.plans(ArrayJob(1, 2))
    other = planned.changed(seed=7)
    (planned.folder / "examples.parquet").unlink()
    other.examples()
    watched = Watched()
    other.plans(engine=watched)
    assert len(watched.asked) > 2 and watched.asked[0] == 0
    assert contents(planned.folder).keys() == expected.keys()
    assert contents(planned.folder)["segments.bin"] != expected["segments.bin"]


def test_plans_that_are_there_are_left_alone(planned):
    planned.plans()
    watched = Watched()
    planned.plans(engine=watched)
    assert not watched.asked


def test_plans_of_earlier_versions_get_openings(planned, expected):
    planned.plans()
    forget_openings(planned.folder / "plans")
    planned.plans()
    assert contents(planned.folder) == expected


def test_a_row_that_is_not_what_was_planned_ends_the_stage(planned):
    rows = list(read_rows(planned.folder / "examples.parquet"))
    rows[20]["n_tokens"] += 1
    write_rows(planned.folder / "examples.parquet", rows, EXAMPLES)
    with pytest.raises(DatasetError, match="its segments changed after the build"):
        planned.plans()
    assert not (planned.folder / "plans/facts.json").exists()
