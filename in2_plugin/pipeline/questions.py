"""The question stage: each part of the mixture is asked for, kind by kind, and everything that comes back is kept."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.dataset.tables import QUESTIONS, REJECTED, RowWriter, StoredQuestions, rejection_row
from in2_plugin.errors import NotEnoughQuestions
from in2_plugin.pipeline.array_job_questions import ASKED, do_share, gather
from in2_plugin.pipeline.passages import offered_passages, shown_name, wanted_questions
from in2_plugin.pipeline.planner_handle import Planning
from in2_plugin.pipeline.run import Run
from in2_plugin.pipeline.sharded_writer import InShards
from in2_plugin.pipeline.shards import remove_parts
from in2_plugin.pipeline.shared_inputs import filler_pool
from in2_plugin.questions import Kind, Part, Question, QuestionWriter, Rejection
from in2_plugin.questions.collection import collect, shortfall
from in2_plugin.questions.writers import open_writer


def question_stage(run: Run, planning: Planning) -> StoredQuestions:
    """Every question of a build, by number.

    Raises:
        NotEnoughQuestions: the corpus does not give what a part asks for, and the mixture is not to be rescaled.
        EndpointError, WorkLogError: the model cannot be asked any further.
        ArrayJobDone, ShardsMissing: shards are left for other jobs.
    """
    path = run.folder / layout.QUESTIONS
    if path.exists():
        return StoredQuestions(path)
    pool = filler_pool(run, planning.store)
    planning, needs = planning.with_pool(pool), [*planning.store.files, pool]
    if run.portion.is_share:
        do_share(run, planning, needs)
    if run.config.questions.writer_spec.keeps_work_log:
        gather(run)
    # sealed in this order when the block ends: questions.parquet, written last, marks the stage as finished
    with (
        open_writer(
            run.config.questions,
            run.config.seed,
            run.folder / layout.WORK_LOG,
            run.progress.say,
            on_ray=run.engine.is_ray,
        ) as writer,
        RowWriter(path, QUESTIONS) as questions,
        RowWriter(run.folder / layout.REJECTED, REJECTED) as rejected,
    ):
        asking = _Asking(run, planning, needs, writer, questions, rejected)
        for part, kind, wanted in wanted_questions(run.config):
            asking.ask(part, kind, wanted)
    remove_parts(run.folder, "questions-*", ASKED)
    run.progress.say(
        f"{questions.count:,} questions by {writer.name}; {rejected.count:,} turned down, with the reason, in "
        f"{layout.REJECTED}"
    )
    return StoredQuestions(path)


def used_questions(config: BuildConfig, questions: StoredQuestions, share: float) -> dict[Part, np.ndarray]:
    """Numbers of the questions that go into examples: the first ones of each part, `share` of what it asks for."""
    used = {}
    for part in Part:
        wanted = [(kind, int(n * share)) for p, kind, n in wanted_questions(config) if p is part]
        used[part] = np.concatenate([questions.numbers(part, kind)[:n] for kind, n in wanted])
    return used


class _Asking:
    """Asks for one part after the other."""

    def __init__(
        self,
        run: Run,
        planning: Planning,
        needs: Sequence[Path],
        writer: QuestionWriter,
        questions: RowWriter,
        rejected: RowWriter,
    ) -> None:
        self._run, self._planning, self._needs = run, planning, needs
        self._writer, self._questions, self._rejected = writer, questions, rejected
        self._asked: set[bytes] = set()
        self._reasons: Counter[str] = Counter()

    def ask(self, part: Part, kind: Kind, wanted: int) -> None:
        """Write `wanted` questions, or as many as there are if the mixture is to be rescaled."""
        if not wanted:
            return
        config, in_shards = self._run.config, self._run.config.questions.writer_spec.runs_in_workers
        writer = self._writer
        objection: Callable[[Question], str | None] = self._planning.planner.objection
        if in_shards:
            writer = InShards(self._run, writer, self._planning, f"{part}-{kind}", self._needs)
            objection = _none  # where shards are made, the planner has objected already
        offered = offered_passages(config, self._planning.store, part, kind, with_texts=not in_shards)
        with self._run.progress.stage(f"writing {shown_name(part, kind)} questions", wanted, self._detail) as step:

            def keep(question: Question) -> None:
                self._questions.add(asdict(question))
                step(1)

            collected = collect(writer, offered, wanted, self._asked, objection, keep, self._turn_down)
        if collected.kept < wanted:
            missing = shortfall(part, wanted, collected)
            if config.mixture.shortfall == "error":
                raise NotEnoughQuestions(missing)
            self._run.progress.say(f"{missing.partition(';')[0]}; all parts will be made smaller alike")

    def _turn_down(self, rejection: Rejection) -> None:
        self._rejected.add(rejection_row(rejection))
        self._reasons[rejection.reason] += 1

    def _detail(self) -> str:
        shown = "; ".join(f"{count:,} because {reason}" for reason, count in self._reasons.most_common(2))
        turned_down = f"{self._reasons.total():,} turned down ({shown})" if shown else ""
        return ", ".join(part for part in (self._writer.detail(), turned_down) if part)


def _none(question: Question) -> None:
    return None
