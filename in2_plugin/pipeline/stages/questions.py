"""Run the question stage: write the questions of every part of the mixture, and keep all results.

Invariant: questions.parquet is finished last, so its existence means that the stage is finished. Rejected questions are
in rejected.parquet with their reason.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from in2_plugin import layout
from in2_plugin.config import Mixture
from in2_plugin.dataset.tables import QUESTIONS, REJECTED, RowWriter, StoredQuestions, question_row, rejection_row
from in2_plugin.errors import NotEnoughQuestions, WorkLogError
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.pipeline.array_job import WHOLE_BUILD
from in2_plugin.pipeline.estimate import estimate_questions
from in2_plugin.pipeline.passages import (
    display_name,
    part_passages,
    records_writer,
    wanted_questions,
    yield_check,
)
from in2_plugin.pipeline.planner_handle import PlannerHandle
from in2_plugin.pipeline.run import Run
from in2_plugin.pipeline.shards import remove_shards
from in2_plugin.pipeline.shared_inputs import filler_pool
from in2_plugin.pipeline.stages.array_job_questions import ASKED, merge_job_logs, write_job_questions
from in2_plugin.pipeline.stages.sharded_writer import ShardedWriter
from in2_plugin.questions import Kind, Part, Question, QuestionWriter, Rejection
from in2_plugin.questions.collection import collect, shortfall
from in2_plugin.questions.form_counts import form_counts, form_line
from in2_plugin.questions.records.writer import RecordsWriter
from in2_plugin.questions.writers import open_writer


def question_stage(run: Run, handle: PlannerHandle) -> StoredQuestions:
    """Write the questions of a build, unless questions.parquet exists.

    Raises:
        NotEnoughQuestions: the corpus gives fewer questions than a part asks for, and `mixture.shortfall` is `error`.
        SpendingStopped: a limit is reached, or too few answers can be used.
        EndpointError, WorkLogError: no more requests can be made to the model.
        ArrayJobDone, ShardsMissing: shards are left for other jobs.
    """
    path = run.folder / layout.QUESTIONS
    if path.exists():
        return StoredQuestions(path)
    pool = filler_pool(run, handle.store)
    handle, needs = handle.with_pool(pool), [*handle.store.files, pool]
    if run.config.questions.writer_spec.asks_model:
        run.progress.say(_expected_calls(run, handle))
    if run.array_job.is_job:
        write_job_questions(run, handle, needs)
    config, log = run.config, run.folder / layout.WORK_LOG
    if config.questions.writer_spec.keeps_work_log:
        merge_job_logs(run)
    # the tables are finished in reverse order when the block ends: questions.parquet last
    with (
        open_writer(config.questions, config.seed, log, run.progress.say, on_ray=run.engine.is_ray) as writer,
        RowWriter(path, QUESTIONS) as questions,
        RowWriter(run.folder / layout.REJECTED, REJECTED) as rejected,
    ):
        tables = _QuestionTables(run, handle, needs, writer, questions, rejected)
        for part, kind, wanted in wanted_questions(config.mixture):
            tables.fill(part, kind, wanted)
    remove_shards(run.folder, "questions-*", ASKED)
    run.progress.say(
        f"{questions.count:,} questions by {_writers(config.mixture, writer)}; {rejected.count:,} rejected, with the "
        f"reason, in {layout.REJECTED}"
    )
    if counts := form_counts(tables.forms, config.questions):
        run.progress.say(form_line(counts))
    return StoredQuestions(path)


def _expected_calls(run: Run, handle: PlannerHandle) -> str:
    """Return one line about the calls and the money that the question stage takes, before the first call."""
    questions = run.config.questions
    try:
        found = estimate_questions(run.config, handle.store, handle.tokenizer)
    except NotEnoughQuestions as failure:
        return f"expected calls: unknown, {failure}"
    money = "price unknown"
    if found.prices and found.total is not None:
        money = f"{found.total:,.2f} {found.prices.currency}"
    limits = {name: getattr(questions, name) for name in ("max_calls", "max_cost")}
    given = "".join(f", `{name}: {limit}`" for name, limit in limits.items() if limit is not None)
    job = run.array_job
    expected = f"expected of all {job.of} jobs together" if job.is_job else "expected"
    return (
        f"{expected}: {found.calls:,.0f} calls, {found.input_tokens:,} tokens in, {found.output_tokens:,} out, "
        f"{money}; more with thoughts or rejected answers ({_stored_answers(run):,} answers stored{given})"
    )


def _stored_answers(run: Run) -> int:
    """Count the answers that this run will not pay for again. A job does not open the logs of other hosts."""
    job, paths = run.array_job, [run.folder / layout.WORK_LOG]
    paths += [run.folder / layout.job_log(job.name)] if job.is_job else run.folder.glob(layout.JOB_LOGS)
    count = 0
    for path in filter(Path.exists, paths):
        with suppress(WorkLogError), closing(WorkLog(path, read_only=True)) as log:  # its writer reports the damage
            count += sum(use.answers for use in log.totals().values())
    return count


def _writers(mixture: Mixture, writer: QuestionWriter) -> str:
    names = [writer.name] * mixture.reads_corpus + [RecordsWriter.name] * bool(mixture.records)
    return " and ".join(names)


def used_questions(mixture: Mixture, questions: StoredQuestions, scale: float) -> dict[Part, np.ndarray]:
    """Return the numbers of the questions that go into examples: the first ones of each part.

    Args:
        scale: fraction of the mixture that is built.
    """
    used = {}
    for part in Part:
        wanted = [(kind, int(n * scale)) for p, kind, n in wanted_questions(mixture) if p is part]
        used[part] = np.concatenate([questions.numbers(part, kind)[:n] for kind, n in wanted])
    return used


class _QuestionTables:
    """Fills the tables of questions and rejections, one part after the other."""

    def __init__(
        self,
        run: Run,
        handle: PlannerHandle,
        needs: Sequence[Path],
        writer: QuestionWriter,
        questions: RowWriter,
        rejected: RowWriter,
    ) -> None:
        self._run, self._handle, self._needs = run, handle, needs
        self._writer, self._questions, self._rejected = writer, questions, rejected
        self._asked: set[bytes] = set()
        self._reasons: Counter[str] = Counter()
        self.forms: Counter[str] = Counter()
        """Number of questions by form."""

    def fill(self, part: Part, kind: Kind, wanted: int) -> None:
        """Write `wanted` questions, or all that the corpus gives when the mixture may be rescaled."""
        if not wanted:
            return
        config, writer = self._run.config, self._writer_of(part, kind)
        in_workers = isinstance(writer, ShardedWriter)  # which have applied the planner's objections
        objection: Callable[[Question], str | None] = _no_objection if in_workers else self._handle.planner.objection
        passages = part_passages(self._handle.store, part, kind, config.lengths, config.seed, with_texts=not in_workers)
        with self._run.progress.stage(f"writing {display_name(part, kind)} questions", wanted, self._detail) as step:

            def keep(question: Question) -> None:
                self._questions.add(question_row(question))
                self.forms[question.form] += 1
                step(1)

            check = yield_check(config.questions, part, kind)
            collected = collect(writer, passages, wanted, self._asked, objection, keep, self._reject, check)
        if collected.kept < wanted:
            missing = shortfall(part, wanted, collected)
            if config.mixture.shortfall == "error":
                raise NotEnoughQuestions(missing)
            self._run.progress.say(f"{missing.partition(';')[0]}; all parts are scaled down equally")

    def _writer_of(self, part: Part, kind: Kind) -> QuestionWriter:
        """Return the writer of a part: that of the build file, or our own for records, on the engine if it can be."""
        run, writer = self._run, self._writer
        if part is Part.RECORDS:
            # jobs of an array leave these questions to the merge
            run, writer = replace(run, array_job=WHOLE_BUILD), records_writer(self._handle.store, run.config.seed)
        elif not run.config.questions.writer_spec.runs_in_workers:
            return writer
        return ShardedWriter(run, writer, self._handle, f"{part}-{kind}", self._needs)

    def _reject(self, rejection: Rejection) -> None:
        self._rejected.add(rejection_row(rejection))
        self._reasons[rejection.reason] += 1

    def _detail(self) -> str:
        shown = "; ".join(f"{count:,} because {reason}" for reason, count in self._reasons.most_common(2))
        rejected = f"{self._reasons.total():,} rejected ({shown})" if shown else ""
        return ", ".join(part for part in (self._writer.detail(), rejected) if part)


def _no_objection(question: Question) -> None:
    return None
