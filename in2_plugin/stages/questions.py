"""The question stage: each part of the mixture is asked for, kind by kind, and everything that comes back is kept."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from in2_plugin.config import BuildConfig
from in2_plugin.contexts.examples import ExamplePlanner
from in2_plugin.contexts.tables import QUESTIONS, REJECTED, RowWriter, StoredQuestions, rejection_row
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.errors import NotEnoughQuestions
from in2_plugin.questions import Kind, Part, Passage, Question, QuestionWriter, Rejection
from in2_plugin.questions.collection import collect, passages, short_passages, shortfall
from in2_plugin.questions.writers import open_writer
from in2_plugin.stages.stage import Progress, generator


def question_stage(
    config: BuildConfig, store: SegmentStore, planner: ExamplePlanner, progress: Progress
) -> StoredQuestions:
    """Every question of a build, by number.

    Raises:
        NotEnoughQuestions: the corpus does not give what a part asks for, and the mixture is not to be rescaled.
        EndpointError, WorkLogError: the model cannot be asked any further.
    """
    path = config.output / "questions.parquet"
    if path.exists():
        return StoredQuestions(path)
    # sealed in this order when the block ends: questions.parquet, written last, marks the stage as finished
    with (
        open_writer(config, progress.say) as writer,
        RowWriter(path, QUESTIONS) as questions,
        RowWriter(config.output / "rejected.parquet", REJECTED) as rejected,
    ):
        asked: set[bytes] = set()
        for part, kind, wanted in wanted_questions(config):
            asking = _Asking(config, store, planner, progress, writer, questions, rejected, asked)
            asking.ask(part, kind, wanted)
    progress.say(
        f"{questions.count:,} questions by {writer.name}; {rejected.count:,} turned down, with the reason, in "
        "rejected.parquet"
    )
    return StoredQuestions(path)


def wanted_questions(config: BuildConfig) -> Iterator[tuple[Part, Kind, int]]:
    """How many questions of which kind each part asks for, in the order in which they are written.

    Short contexts get both kinds in the proportion of the two long parts, or fine-grained ones alone.
    """
    counts = config.mixture.counts()
    for kind in Kind:
        yield Part(kind), kind, counts[kind]
    long = counts[Kind.FINE_GRAINED] + counts[Kind.INTEGRATION]
    short = counts[Part.SHORT_CONTEXT]
    integration = short * counts[Kind.INTEGRATION] // long if long else 0
    yield Part.SHORT_CONTEXT, Kind.FINE_GRAINED, short - integration
    yield Part.SHORT_CONTEXT, Kind.INTEGRATION, integration


def questions_by_kind(config: BuildConfig) -> dict[Kind, int]:
    """Questions of each kind in the whole mixture, short contexts included."""
    return {kind: sum(n for _, asked, n in wanted_questions(config) if asked is kind) for kind in Kind}


def offered_passages(config: BuildConfig, store: SegmentStore, part: Part, kind: Kind) -> Iterator[Passage]:
    """The passages that a part asks about, in order."""
    if part is Part.SHORT_CONTEXT:
        return short_passages(store, kind, config.lengths, generator(config, f"{part} {kind}"))
    return passages(store, kind, config.lengths, generator(config, kind))


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
        config: BuildConfig,
        store: SegmentStore,
        planner: ExamplePlanner,
        progress: Progress,
        writer: QuestionWriter,
        questions: RowWriter,
        rejected: RowWriter,
        asked: set[bytes],
    ) -> None:
        self._config, self._store, self._planner, self._progress = config, store, planner, progress
        self._writer, self._questions, self._rejected, self._asked = writer, questions, rejected, asked
        self._reasons: Counter[str] = Counter()

    def ask(self, part: Part, kind: Kind, wanted: int) -> None:
        """Write `wanted` questions, or as many as there are if the mixture is to be rescaled."""
        if not wanted:
            return
        offered = offered_passages(self._config, self._store, part, kind)
        with self._progress.stage(f"writing {_name(part, kind)} questions", wanted, self._detail) as step:

            def keep(question: Question) -> None:
                self._questions.add(asdict(question))
                step(1)

            collected = collect(
                self._writer, offered, wanted, self._asked, self._planner.objection, keep, self._turn_down
            )
        if collected.kept < wanted:
            missing = shortfall(part, wanted, collected)
            if self._config.mixture.shortfall == "error":
                raise NotEnoughQuestions(missing)
            self._progress.say(f"{missing.partition(';')[0]}; all parts will be made smaller alike")

    def _turn_down(self, rejection: Rejection) -> None:
        self._rejected.add(rejection_row(rejection))
        self._reasons[rejection.reason] += 1

    def _detail(self) -> str:
        shown = "; ".join(f"{count:,} because {reason}" for reason, count in self._reasons.most_common(2))
        turned_down = f"{self._reasons.total():,} turned down ({shown})" if shown else ""
        return ", ".join(part for part in (self._writer.detail(), turned_down) if part)


def _name(part: Part, kind: Kind) -> str:
    name = kind.replace("_", "-")
    return f"short-context {name}" if part is Part.SHORT_CONTEXT else name
