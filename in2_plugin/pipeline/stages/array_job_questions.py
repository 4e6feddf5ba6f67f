"""Write the questions of one array job, and merge the answers of all jobs.

A job of n asks about every n-th passage, for its n-th of each number of questions, into its own work log. A merge
combines the logs and builds from them, so the questions equal those of a single process; the few that are still
missing are asked during the merge. Invariants: only one process writes to a log; an answer is deleted only after it is
in the build's own log.
"""

import math
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

from in2_plugin import layout
from in2_plugin.errors import ArrayJobDone, ShardsMissing
from in2_plugin.io.atomic import write_json_atomic
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.pipeline.passages import corpus_questions, display_name, part_passages, yield_check
from in2_plugin.pipeline.planner_handle import PlannerHandle
from in2_plugin.pipeline.run import Run
from in2_plugin.pipeline.stages.sharded_writer import ShardedWriter
from in2_plugin.questions.collection import collect
from in2_plugin.questions.writers import open_writer

ASKED = "asked"
"""Subfolder of `parts/` with one file per job that has finished asking."""
_JOB_NAME = re.compile(r"(\d+)-of-(\d+)")


def write_job_questions(run: Run, handle: PlannerHandle, needs: Sequence[Path]) -> None:
    """Write the questions of this job.

    Raises:
        ArrayJobDone: always, at the end.
        SpendingStopped: this job's part of a limit is reached, or too few answers can be used.
        EndpointError, WorkLogError: no more requests can be made to the model.
    """
    spec = run.config.questions.writer_spec
    if spec.runs_in_workers:
        _make_shards(run, handle, needs)
    elif not spec.keeps_work_log:
        run.array_job.end_job("questions")
    elif not (marker := _marker(run)).exists():
        _ask(run, handle)
        marker.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(marker, {})
    raise ArrayJobDone(
        f"questions: job {run.array_job.number} of {run.array_job.of} is done; when all jobs have ended, "
        "run `in2 merge`"
    )


def _marker(run: Run) -> Path:
    return run.folder / layout.PARTS / ASKED / f"{run.array_job.name}.json"


def _make_shards(run: Run, handle: PlannerHandle, needs: Sequence[Path]) -> None:
    config, log = run.config, run.folder / layout.WORK_LOG
    with open_writer(config.questions, config.seed, log, run.progress.say) as writer:
        for part, kind, wanted in corpus_questions(config.mixture):  # those about records cost seconds at the merge
            passages = part_passages(handle.store, part, kind, config.lengths, config.seed, with_texts=False)
            ShardedWriter(run, writer, handle, f"{part}-{kind}", needs).make_first(passages, wanted)


def _ask(run: Run, handle: PlannerHandle) -> None:
    config, job, store = run.config, run.array_job, handle.store
    own_log, build_log = run.folder / layout.job_log(job.name), run.folder / layout.WORK_LOG
    asked: set[bytes] = set()
    with open_writer(
        config.questions, config.seed, own_log, run.progress.say, known_log=build_log, jobs=job.of
    ) as writer:
        for part, kind, wanted in corpus_questions(config.mixture):
            quota = math.ceil(wanted / job.of)
            passages = part_passages(store, part, kind, config.lengths, config.seed, with_texts=False)
            own = (
                replace(passage, texts=tuple(store.texts(passage.segment_ids)))
                for passage in islice(passages, job.number - 1, None, job.of)
            )
            with run.progress.stage(f"asking for {display_name(part, kind)} questions", quota, writer.detail) as step:
                check = yield_check(config.questions, part, kind)
                collect(writer, own, quota, asked, handle.planner.objection, lambda _: step(1), lambda _: None, check)


def merge_job_logs(run: Run) -> None:
    """Move the answers of all jobs into the build's work log.

    Raises:
        ShardsMissing: this run is a merge, and a job has not finished asking.
        WorkLogError: a log cannot be read or written.
    """
    if not run.array_job.number:
        _require_all_jobs(run.folder)
    logs = sorted(run.folder.glob(layout.JOB_LOGS))
    if not logs:
        return
    with closing(WorkLog(run.folder / layout.WORK_LOG)) as log:
        for path in logs:
            log.absorb(path)
    for path in logs:
        path.unlink()


def _require_all_jobs(folder: Path) -> None:
    found = [_JOB_NAME.fullmatch(path.stem) for path in (folder / layout.PARTS / ASKED).glob("*.json")]
    jobs = {(int(match[1]), int(match[2])) for match in found if match}
    missing, of = min(
        (([i for i in range(1, of + 1) if (i, of) not in jobs], of) for of in {of for _, of in jobs}),
        key=lambda left: len(left[0]),
        default=([], 0),
    )
    if missing or not of:
        which = f"jobs {', '.join(map(str, missing[:5]))} of {of} have not" if missing else "no job has"
        raise ShardsMissing(
            f"questions: {which} finished asking; run `in2 build --shard i/n` for every i (jobs that ended early "
            "resume where they stopped), then `in2 merge` again"
        )
