"""The last stages of a finished dataset, made again in shards of a few examples, and an engine that is watched."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from in2_plugin.config import BuildConfig
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.dataset.reader import prepare_frames
from in2_plugin.dataset.tables import StoredConversations, StoredQuestions
from in2_plugin.examples.template import Template
from in2_plugin.execution.local import LocalEngine
from in2_plugin.pipeline.array_job import WHOLE_BUILD, ArrayJob
from in2_plugin.pipeline.planner_handle import PlannerHandle
from in2_plugin.pipeline.run import Run
from in2_plugin.pipeline.stages.examples import example_stage
from in2_plugin.pipeline.stages.plans import plan_stage
from tests.support.builds import Quiet

SMALL = 12
"""Examples of a shard and of a row group in these tests."""
MERGE = ArrayJob(0, 1)
SEALED_LAST = ("manifest.json", "plans/facts.json", "examples.parquet")


def small_shards(patch: pytest.MonkeyPatch) -> None:
    """Shards and row groups of SMALL examples, blobs of five."""
    patch.setattr("in2_plugin.pipeline.stages.examples.SHARD_EXAMPLES", SMALL)
    patch.setattr("in2_plugin.pipeline.stages.examples.CHUNK", 5)
    patch.setattr("in2_plugin.pipeline.stages.plans.CHUNK", 5)
    patch.setattr("in2_plugin.dataset.tables.ROW_GROUP", SMALL)


@dataclass
class Watched:
    """The local engine; remembers what it was asked, and stops like a killed driver when it has finished enough."""

    engine: LocalEngine = field(default_factory=lambda: LocalEngine(1))
    stop_after: int | None = None
    asked: list[Any] = field(default_factory=list)
    needs: list[Path] = field(default_factory=list)
    is_ray = False

    @property
    def workers(self) -> int:
        return self.engine.workers

    def stream(self, function, items, needs=()) -> Iterator[Any]:
        self.asked, self.needs = list(items), list(needs)
        return self.engine.stream(function, items, needs)

    def write_shards(self, function, items, paths, needs=()) -> Iterator[int]:
        self.asked, self.needs = list(items), list(needs)
        for number, made in enumerate(self.engine.write_shards(function, items, paths, needs)):
            if number == self.stop_after:
                raise KeyboardInterrupt
            yield made


@dataclass(frozen=True)
class Stages:
    """A copy of a dataset without its last stages."""

    config: BuildConfig

    @classmethod
    def of(cls, config: BuildConfig, folder: Path, *without: str) -> "Stages":
        """A copy in `folder` of the dataset that `config` built, without examples, plans and whatever else."""
        shutil.copytree(config.output, folder)
        for name in (*SEALED_LAST, *without):
            (folder / name).unlink(missing_ok=True)
        return cls(config.model_copy(update={"output": folder}))

    @property
    def folder(self) -> Path:
        return self.config.output

    def changed(self, **changes: Any) -> "Stages":
        """The same folder for a build file that was changed."""
        return replace(self, config=self.config.model_copy(update=changes))

    def _opened(self) -> tuple[SegmentStore, Any, Template]:
        tokenizer = load_tokenizer(self.config.tokenizer)
        template = Template(self.config.template, tokenizer)
        conversations = StoredConversations(self.folder / "instructions.parquet")
        prepare_frames(template, self.config.questions_per_context, conversations.most_turns)
        return SegmentStore(self.folder / "segments"), tokenizer, template

    @property
    def handle(self) -> PlannerHandle:
        config = self.config
        return PlannerHandle(*self._opened(), config.lengths, config.positions, config.distractors, config.seed)

    @property
    def asked(self) -> tuple[StoredQuestions, StoredConversations]:
        questions, conversations = (self.folder / f"{name}.parquet" for name in ("questions", "instructions"))
        return StoredQuestions(questions), StoredConversations(conversations)

    def examples(self, array_job: ArrayJob = WHOLE_BUILD, engine: Any = None) -> Quiet:
        progress = Quiet()
        run = Run(self.config, progress, engine or LocalEngine(1), array_job)
        example_stage(run, self.handle, *self.asked)
        return progress

    def plans(self, array_job: ArrayJob = WHOLE_BUILD, engine: Any = None) -> None:
        plan_stage(Run(self.config, Quiet(), engine or LocalEngine(1), array_job), *self._opened())

    def parts(self, stage: str) -> dict[str, int]:
        """When each finished part was written."""
        return {path.name: path.stat().st_mtime_ns for path in (self.folder / "parts" / stage).glob("*.arrow")}


def forget_openings(plans: Path) -> None:
    """Make the plans those of an earlier version, which does not record openings."""
    (plans / "openings.bin").unlink()
    facts = json.loads((plans / "facts.json").read_text())
    del facts["openings"]
    (plans / "facts.json").write_text(json.dumps(facts))


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of examples.parquet and of every file of plans/."""
    paths = [folder / "examples.parquet", *(folder / "plans").iterdir()]
    return {path.name: path.read_bytes() for path in paths if path.exists()}
