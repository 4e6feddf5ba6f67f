"""Run the cells of a study in order, one process at a time, and skip those whose row exists.

Order: the untrained model, then seed by seed the first stage, and arm by arm training and measures, so that an
interrupted study has complete seeds. A cell is one training run, or one measure of one model.
"""

import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow.parquet as pq

from benchmarks.evidence.rows import TRAIN, Model, Rows, ScoredUnit, whole_seconds
from benchmarks.evidence.running.data import HELD_OUT, build_shared, build_training
from benchmarks.evidence.running.equality import Counts, count, require_comparable, shared_questions
from benchmarks.evidence.running.folder import StudyFolder
from benchmarks.evidence.running.probing import CACHE, measure, measure_choices
from benchmarks.evidence.running.training import train
from benchmarks.evidence.study import FIRST, UNTRAINED, Study
from in2_plugin.cli.progress import duration

LOSSES, CHOICES = "losses", "choices"
"""Measures that every study has."""
TEXTS = Path(__file__).parents[1] / "text"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cell:
    """One training run or one measure."""

    model: Model
    measure: str

    @property
    def kind(self) -> str:
        """Cells of one kind take about the same time."""
        return f"train {self.model.arm}" if self.measure == TRAIN else self.measure


def measures_of(study: Study) -> list[str]:
    """Return the names of all measures, in the order in which they run."""
    return [*study.measures, LOSSES, CHOICES]


def cells_of(
    study: Study, arms: Sequence[str] = (), seeds: Sequence[int] = (), measures: Sequence[str] | None = None
) -> list[Cell]:
    """Return the cells of some arms, seeds and measures, by default all, in the order in which they run."""
    measures = measures_of(study) if measures is None else measures
    short = [name for name in measures if name in (LOSSES, CHOICES)] if study.probe_untrained else []
    found = [Cell(Model(UNTRAINED, 0), name) for name in short]
    for seed in seeds or study.seeds:
        found.append(Cell(Model(FIRST, seed), TRAIN))
        for arm in arms or study.arms:
            own = [TRAIN] if study.arms[arm].second_stage else []
            found += [Cell(Model(arm, seed), name) for name in (*own, *measures)]
    return found


class Runner:
    """Runs cells of one study folder."""

    def __init__(self, folder: StudyFolder, say: Say = print) -> None:
        self._folder, self._say = folder, say
        self.rows = Rows(folder.path)
        self._checked: dict[int, dict[str, Counts]] = {}

    def run(self, cells: Sequence[Cell]) -> None:
        """Run the cells that have no row."""
        left = self._left(cells)
        self._say(f"{len(cells) - len(left)} of {len(cells)} cells are finished; {self.remaining(left)}")
        if left:
            build_shared(self._folder)
        trained = (cell.model for cell in left if cell.measure == TRAIN and cell.model.arm != FIRST)
        for seed in sorted({model.seed for model in trained}):
            self._comparable(seed)  # of all seeds, before hours are spent on the first
        for number, cell in enumerate(left, start=1):
            begun = time.monotonic()
            self._run(cell)
            took = duration(time.monotonic() - begun)
            self._say(f"[{number}/{len(left)}] {cell.model.name} {cell.measure}: {took}; "
                      f"{self.remaining(left[number:])}")  # fmt: skip

    def plan(self, cells: Sequence[Cell]) -> list[str]:
        """Return a line for each cell without a row, and one about their time."""
        left = self._left(cells)
        return [*(f"{cell.model.name} {cell.measure}" for cell in left), self.remaining(left)]

    def _left(self, cells: Sequence[Cell]) -> list[Cell]:
        return [cell for cell in cells if not self.rows.find(cell.model, cell.measure)]

    def remaining(self, left: Sequence[Cell]) -> str:
        """Say how long the remaining cells take, from the finished cells of their kind."""
        if not left:
            return "nothing remains"
        timed = self._seconds_by_kind()
        known = [cell for cell in left if cell.kind in timed]
        total = duration(sum(timed[cell.kind] for cell in known))
        unknown = len(left) - len(known)
        if not known:
            return f"{len(left)} remain, none of a kind that was timed before"
        more = f", and {unknown} cells of kinds that were not timed yet" if unknown else ""
        return f"{len(left)} remain: about {total}{more}"

    def _seconds_by_kind(self) -> dict[str, float]:
        found: dict[str, list[float]] = defaultdict(list)
        for row in self.rows.all:
            kind = Cell(Model(row["arm"], row["seed"]), row["measure"]).kind
            if (seconds := whole_seconds(row)) is not None:
                found[kind].append(seconds)
        return {kind: fmean(seconds) for kind, seconds in found.items()}

    def _run(self, cell: Cell) -> None:
        if cell.measure == TRAIN:
            self._train(cell.model)
            return
        begun = time.monotonic()
        scores = self._measure(cell)
        seconds = round(time.monotonic() - begun, 1)
        self.rows.add(cell.model, cell.measure, scores, seconds=seconds, **self._folder.facts())
        shutil.rmtree(self._folder.path / CACHE, ignore_errors=True)

    def _train(self, model: Model) -> None:
        study = self._folder.study
        if model.arm == FIRST:
            data, start, section = build_training(self._folder, model), "base", study.first_training()
            counts = count(self._folder.path / data, section)
        else:
            checked = self._comparable(model.seed)
            data, start = build_training(self._folder, model), f"models/{FIRST}-s{model.seed}"
            section, counts = study.second_training(model.arm), checked[model.arm]
        found = train(self._folder, model.name, start, data, section, model.seed)
        if found["steps"] != counts.steps:
            sys.exit(f"{model.name}: took {found['steps']} steps instead of {counts.steps}; do not use this study")
        self.rows.add(model, TRAIN, (), **found, data=counts.as_row(), **self._folder.facts())

    def _comparable(self, seed: int) -> dict[str, Counts]:
        """Build and check the data of all arms of a seed, also of those that run later."""
        if seed not in self._checked:
            study, counts = self._folder.study, {}
            for arm in study.trained_arms:
                data = build_training(self._folder, Model(arm, seed))
                counts[arm] = count(self._folder.path / data, study.second_training(arm))
            require_comparable(study, counts)
            for arm, found in counts.items():
                self._say(f"data of {arm}-s{seed}: {found.questions:,} questions, {found.steps:,} steps, "
                          f"{found.answer_tokens:,} answer tokens, {found.tokens:,} tokens, golds by fifth "
                          f"{list(found.gold_by_fifth)}")  # fmt: skip
            self._say(f"{shared_questions(counts):.0%} of the questions are the same in all arms")
            self._checked[seed] = counts
        return self._checked[seed]

    def _measure(self, cell: Cell) -> list[ScoredUnit]:
        model, output = self._weights(cell.model), f"{cell.model.name}-{cell.measure}"
        if cell.measure == CHOICES:
            return measure_choices(self._folder, model, output)
        if cell.measure == LOSSES:
            return list(self._losses(model, output))
        return measure(self._folder, model, output, self._folder.study.measures[cell.measure])

    def _weights(self, model: Model) -> str:
        """Return the folder of a model, relative to the study's."""
        if model.arm == UNTRAINED:
            return "base"
        trained = self._folder.study.arms[model.arm].second_stage
        return f"models/{model.name if trained else Model(FIRST, model.seed).name}"

    def _losses(self, model: str, output: str) -> Iterator[ScoredUnit]:
        folder, out = self._folder, f"results/{output}.parquet"
        (folder.path / "results").mkdir(exist_ok=True)
        folder.run(
            f"measure-{output}", sys.executable, "-m", "benchmarks.evidence.running.losses", "--model", model,
            "--data", HELD_OUT, "--texts", str(TEXTS), "--dtype", folder.dtype, "--device", folder.device, "--out", out,
        )  # fmt: skip
        table: list[dict[str, Any]] = pq.read_table(folder.path / out).to_pylist()
        for unit in table:
            yield ScoredUnit(**unit)
