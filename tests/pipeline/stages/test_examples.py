"""examples.parquet is the same however its shards were made, and a run that was killed goes on where it stopped."""

from dataclasses import asdict

import pytest

from in2_plugin.dataset.tables import EXAMPLES, QUESTIONS, read_rows, write_rows
from in2_plugin.errors import ArrayJobDone, ShardsMissing
from in2_plugin.examples.positions import Dealer
from in2_plugin.examples.specs import orders
from in2_plugin.execution.local import LocalEngine
from in2_plugin.pipeline.array_job import ArrayJob
from in2_plugin.pipeline.run import stage_rng
from in2_plugin.pipeline.stages.questions import used_questions
from tests.support.stage_runs import MERGE, SMALL, Stages, Watched, contents

SHARES = ArrayJob(1, 2), ArrayJob(2, 2)


def examples(stages) -> bytes:
    return (stages.folder / "examples.parquet").read_bytes()


@pytest.fixture
def expected(finished) -> bytes:
    return (finished.output / "examples.parquet").read_bytes()


def test_they_are_those_planned_one_by_one(again, expected, tmp_path):
    config, planner, (questions, conversations) = again.config, again.handle.planner, again.asked
    used, rng = used_questions(config.mixture, questions, 1.0), stage_rng(config.seed, "examples")
    dealer, n = Dealer(config.positions, rng), config.mixture.counts()["general"]
    drawn = list(orders(questions, used, conversations, n, 2, planner.go_together, dealer, rng))
    assert len(drawn) > 3 * SMALL
    write_rows(tmp_path / "one-by-one", (asdict(planner.plan(order)) for order in drawn), EXAMPLES)
    assert (tmp_path / "one-by-one").read_bytes() == expected


@pytest.mark.parametrize("workers", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_the_same_bytes_whatever_the_number_of_workers(again, expected, workers):
    progress = again.examples(engine=LocalEngine(workers))
    assert examples(again) == expected
    assert progress.stages == ["drawing examples", "placing questions in contexts", "writing examples"]


def test_jobs_of_an_array_make_their_shares_and_one_merges(again, expected):
    for share in SHARES:
        with pytest.raises(ShardsMissing, match=r"examples: \d of \d shards are missing"):
            again.examples(MERGE)
        with pytest.raises(ArrayJobDone, match=f"examples: the shards of job {share.number} of 2 are done"):
            again.examples(share)
        assert not (again.folder / "examples.parquet").exists()
    watched = Watched()
    again.examples(MERGE, watched)
    assert examples(again) == expected and not watched.asked
    assert not list((again.folder / "parts").glob("*.arrow")) and not again.parts("examples")


def test_a_killed_run_goes_on_where_it_stopped(again, expected):
    with pytest.raises(KeyboardInterrupt):
        again.examples(engine=Watched(stop_after=2))
    before = again.parts("examples")
    inputs = {path.name: path.stat().st_mtime_ns for path in (again.folder / "parts").glob("*.arrow")}
    (again.folder / "parts/examples/00003.arrow.part").write_bytes(b"torn")
    assert before and set(inputs) == {"orders.arrow", "pool.arrow"}
    watched = Watched()
    with pytest.raises(ArrayJobDone):
        again.examples(ArrayJob(2, 2), watched)
    after = again.parts("examples")
    assert before.items() <= after.items(), "a finished part was made again"
    assert {f"{shard:05d}.arrow" for shard in watched.asked} == after.keys() - before.keys()
    assert inputs == {path.name: path.stat().st_mtime_ns for path in (again.folder / "parts").glob("*.arrow")}
    assert set(watched.needs) == {*(again.folder / "parts").glob("*.arrow"), *(again.folder / "segments").iterdir()}
    progress = again.examples()
    assert examples(again) == expected and "drawing examples" not in progress.stages


def reversed_questions(stages):
    rows = list(read_rows(stages.folder / "questions.parquet"))
    write_rows(stages.folder / "questions.parquet", reversed(rows), QUESTIONS)
    return stages


@pytest.mark.parametrize(
    "change", [lambda stages: stages.changed(seed=7), reversed_questions], ids=["seed", "questions"]
)
def test_parts_of_something_else_are_not_taken(again, finished, expected, change, tmp_path):
    for share in SHARES:
        with pytest.raises(ArrayJobDone):
            again.examples(share)
    change(again).examples()
    clean = change(Stages.of(finished, tmp_path / "clean"))
    clean.examples()
    assert examples(again) == examples(clean) != expected


def test_examples_that_are_there_are_left_alone(again):
    again.examples()
    watched, before = Watched(), contents(again.folder)
    assert again.examples(engine=watched).stages == []
    assert contents(again.folder) == before and not watched.asked


def test_a_mixture_may_come_out_smaller(again, tmp_path):
    # half of the conversations that are asked for: every part is halved
    wanted = again.config.mixture.model_copy(update={"general": 18, "shortfall": "rescale"})
    stages = again.changed(mixture=wanted)
    progress = stages.examples()
    assert "the mixture is scaled to 50.0%, so that its parts keep their proportions" in progress.lines
    parts = [row["part"] for row in read_rows(stages.folder / "examples.parquet")]
    assert (parts.count("general"), parts.count("short_context")) == (9, 5)
