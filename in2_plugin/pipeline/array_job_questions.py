"""What one job of an array does for the questions, and how what all jobs did comes together.

A job of n asks about every n-th passage, for its n-th part of each number of questions, into a work log of its own. To
merge is to put the logs together and to build from them: the questions are then those of one process, and what is still
missing - few, because jobs share alike - is asked there. Invariants: one process writes a log; no answer is removed
before it is in the build's own log.
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
from in2_plugin.pipeline.passages import offered_passages, shown_name, wanted_questions
from in2_plugin.pipeline.planner_handle import Planning
from in2_plugin.pipeline.run import Run
from in2_plugin.pipeline.sharded_writer import InShards
from in2_plugin.questions.collection import collect
from in2_plugin.questions.writers import open_writer

ASKED = "asked"
"""Folder in `parts/`: a file for each job that has asked all it was to ask."""
SHARE = re.compile(r"(\d+)-of-(\d+)")


def do_share(run: Run, planning: Planning, needs: Sequence[Path]) -> None:
    """Write this job's share of the questions.

    Raises:
        ArrayJobDone: always, in the end.
        EndpointError, WorkLogError: the model cannot be asked any further.
    """
    config, spec = run.config, run.config.questions.writer_spec
    if not (spec.runs_in_workers or spec.keeps_work_log):
        run.portion.refuse_alone("questions")
    if spec.runs_in_workers:
        with open_writer(config.questions, config.seed, run.folder / layout.WORK_LOG, run.progress.say) as writer:
            for part, kind, wanted in wanted_questions(run.config):
                offered = offered_passages(run.config, planning.store, part, kind, with_texts=False)
                InShards(run, writer, planning, f"{part}-{kind}", needs).make_first(offered, wanted)
    elif not (marker := _marker(run)).exists():
        _ask(run, planning)
        marker.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(marker, {})
    raise ArrayJobDone(
        f"questions: job {run.portion.number} of {run.portion.of} is done; when all jobs have ended, run `in2 merge`"
    )


def _marker(run: Run) -> Path:
    return run.folder / layout.PARTS / ASKED / f"{run.portion.name}.json"


def _ask(run: Run, planning: Planning) -> None:
    number, of = run.portion.number, run.portion.of
    store, asked = planning.store, set[bytes]()
    config, own_log = run.config, run.folder / layout.job_log(run.portion.name)
    build_log = run.folder / layout.WORK_LOG
    with open_writer(config.questions, config.seed, own_log, run.progress.say, known_log=build_log) as writer:
        for part, kind, wanted in wanted_questions(run.config):
            share = math.ceil(wanted / of)
            mine = islice(offered_passages(run.config, store, part, kind, with_texts=False), number - 1, None, of)
            shown = (replace(passage, texts=tuple(store.texts(passage.segment_ids))) for passage in mine)
            with run.progress.stage(f"asking for {shown_name(part, kind)} questions", share, writer.detail) as step:
                collect(writer, shown, share, asked, planning.planner.objection, lambda _: step(1), lambda _: None)


def gather(run: Run) -> None:
    """Put the answers of all jobs into the build's work log.

    Raises:
        ShardsMissing: this run is to merge, and a job has not finished asking.
        WorkLogError: a log cannot be read or written.
    """
    if not run.portion.number:
        _require_all(run.folder)
    logs = sorted(run.folder.glob(layout.JOB_LOGS))
    if not logs:
        return
    with closing(WorkLog(run.folder / layout.WORK_LOG)) as log:
        for path in logs:
            log.absorb(path)
    for path in logs:
        path.unlink()


def _require_all(folder: Path) -> None:
    found = [SHARE.fullmatch(path.stem) for path in (folder / layout.PARTS / ASKED).glob("*.json")]
    shares = {(int(match[1]), int(match[2])) for match in found if match}
    missing, of = min(
        (([i for i in range(1, of + 1) if (i, of) not in shares], of) for of in {of for _, of in shares}),
        key=lambda left: len(left[0]),
        default=([], 0),
    )
    if missing or not of:
        which = f"jobs {', '.join(map(str, missing[:5]))} of {of} have not" if missing else "no job has"
        raise ShardsMissing(
            f"questions: {which} finished asking; run `in2 build --shard i/n` for every i (jobs that ended early "
            "go on where they stopped), then `in2 merge` again"
        )
