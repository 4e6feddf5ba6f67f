"""Random generators per stage, and the number of workers."""

import os

from in2_plugin.pipeline.run import NoProgress, stage_rng, worker_count


def test_each_stage_has_its_own_draws():
    draws = {name: stage_rng(7, name).integers(1 << 30) for name in ("examples", "segments")}
    assert draws["examples"] == stage_rng(7, "examples").integers(1 << 30)
    assert draws["examples"] != draws["segments"]
    assert draws["examples"] != stage_rng(8, "examples").integers(1 << 30)


def test_workers_default_to_the_cores_of_this_process():
    assert worker_count(3) == 3
    assert worker_count(None) == len(os.sched_getaffinity(0))


def test_no_progress_accepts_steps():
    with NoProgress().stage("examples", 3) as step:
        step(1)
    NoProgress().say("a line")
