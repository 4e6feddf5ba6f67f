"""Declare and open question writers.

A `WriterSpec` declares what a writer needs; every stage asks the declaration and never compares names.

To add a writer, in any package:

1. Write a class with the three members of `QuestionWriter` (in2_plugin/questions/question.py): `name`, `write`,
   `detail`.
2. Declare it in a module that imports nothing heavy, because the declaration is loaded when a build file is validated:

       from in2_plugin.questions.writers import WriterSetup, WriterSpec

       def open_mine(setup: WriterSetup):
           from my_package.writing import MyWriter      # heavy imports belong here
           return contextlib.nullcontext(MyWriter(setup.settings, setup.seed))

       MINE = WriterSpec(open_mine, "made by ...", settings=MySettings)     # MySettings: a Pydantic model

3. Register it in that package's pyproject.toml:

       [project.entry-points."in2_plugin.writers"]
       mine = "my_package.declaration:MINE"

A build file then says `questions: {writer: mine, settings: {...}}`. tests/support/third_party_writer is an example.
To add a writer to this package, declare it below and add its name to `OURS` in in2_plugin/config/writers.py.

This module imports only the standard library: in2_plugin.config loads it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from in2_plugin.errors import ConfigError
from in2_plugin.questions.question import RECORDS_WRITER, QuestionWriter

if TYPE_CHECKING:
    from pydantic import BaseModel

    from in2_plugin.config import QuestionsConfig
    from in2_plugin.config.writers import FormDeclaration


@dataclass(frozen=True, slots=True)
class WriterSetup:
    """Everything that a writer may need when it is opened."""

    config: "QuestionsConfig"
    """The `questions` section of the build file."""
    settings: Any
    """`questions.settings` as an instance of the writer's own model; None for a writer without one."""
    seed: int
    work_log: Path
    """SQLite file for answers that were paid for; see `in2_plugin.llm.work_log.WorkLog`."""
    say: Callable[[str], None]
    """Shows the user one line."""
    on_ray: bool = False
    """This process is connected to a Ray cluster, whose GPUs the writer may use."""
    known_log: Path | None = None
    """A second work log, read-only, whose answers count as well: that of the build, in a job of an array."""
    jobs: int = 1
    """Number of array jobs that write at the same time and share `max_calls` and `max_cost`."""


def _no_forms() -> "Sequence[FormDeclaration]":
    return ()


Opener = Callable[[WriterSetup], AbstractContextManager[QuestionWriter, Any]]


@dataclass(frozen=True, slots=True)
class WriterSpec:
    """What a writer is and what it needs; the value of an entry point in the group `in2_plugin.writers`."""

    open: Opener
    """Returns the writer as a context manager."""
    description: str
    """How the questions come about, for the dataset card: completes "Questions by the `NAME` writer: ..."."""
    settings: "type[BaseModel] | None" = None
    """Model of `questions.settings`; use `extra="forbid"`, so that misspelled keys are errors."""
    model_section: str | None = None
    """Section of `questions` with the language model that the writer asks, `endpoint` or `vllm`. The build file must
    have it; `questions.verify`, `distractors.judge_hardest` and `in2 estimate` need it."""
    allows_judge: bool = False
    """`questions.verify.judge` may name another model than the one that writes."""
    runs_in_workers: bool = False
    """The result for a passage depends on nothing but the passage, the seed and the settings, and the writer can be
    pickled: worker processes then write the questions, shard by shard."""
    keeps_work_log: bool = False
    """Stores paid answers in `WriterSetup.work_log`, so that jobs of an array can write and `in2 merge` can collect."""
    keeps_limits: bool = False
    """Respects `questions.max_calls` and `questions.max_cost`; a build file cannot set them for other writers."""
    forms: "Callable[[], Sequence[FormDeclaration]]" = _no_forms
    """Returns the forms of question that the writer weighs by `questions.forms`. The question stage, `in2 status`
    and `in2 audit` count questions by their style and direction."""

    @property
    def asks_model(self) -> bool:
        """True when the writer asks the language model of the build file."""
        return self.model_section is not None


@contextmanager
def open_writer(
    config: "QuestionsConfig",
    seed: int,
    work_log: Path,
    say: Callable[[str], None],
    *,
    on_ray: bool = False,
    known_log: Path | None = None,
    jobs: int = 1,
) -> Iterator[QuestionWriter]:
    """Open the writer of a build file; the arguments are the fields of `WriterSetup`.

    Raises:
        MissingExtra: a package that the writer needs is not installed.
        ConfigError: the writer has the name of our writer of questions about records.
        ConfigError, EndpointError: the endpoint's key is missing.
        WorkLogError: the work log cannot be opened.
    """
    spec = config.writer_spec
    settings = spec.settings.model_validate(config.settings) if spec.settings else None
    with spec.open(WriterSetup(config, settings, seed, work_log, say, on_ray, known_log, jobs)) as writer:
        if writer.name.startswith(RECORDS_WRITER):
            raise ConfigError(
                f"`writer: {config.writer}` gives its questions the name {writer.name!r}, and names that start with "
                f"`{RECORDS_WRITER}` mark the part `records` of the mixture; change the `name` of the writer"
            )
        yield writer


def _open_extractive(setup: WriterSetup) -> AbstractContextManager[QuestionWriter, Any]:
    from in2_plugin.questions.extractive.writer import ExtractiveWriter

    return nullcontext(ExtractiveWriter(setup.seed, setup.config.forms))


def _extractive_forms() -> "Sequence[FormDeclaration]":
    from in2_plugin.questions.extractive.registry import FORMS

    return FORMS


def _open_model(setup: WriterSetup) -> AbstractContextManager[QuestionWriter, Any]:
    from in2_plugin.questions.model.writer import ModelWriter

    return ModelWriter(
        setup.config, setup.work_log, setup.say, on_ray=setup.on_ray, known_log=setup.known_log, jobs=setup.jobs
    )


EXTRACTIVE = WriterSpec(
    _open_extractive,
    "made from the text itself, without a language model",
    runs_in_workers=True,
    forms=_extractive_forms,
)
ENDPOINT = WriterSpec(
    _open_model,
    "written by a language model",
    model_section="endpoint",
    allows_judge=True,
    keeps_work_log=True,
    keeps_limits=True,
)
VLLM = WriterSpec(
    _open_model, "written by a language model", model_section="vllm", keeps_work_log=True, keeps_limits=True
)
