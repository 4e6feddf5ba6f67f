"""Say in one line what a finished stage has made, from the files that it wrote; and read the verdict of the report."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin import layout
from in2_plugin.demo.folder import FIRST, LOCK, PAGE, PROBE, RESULTS, SPEED, DemoFolder
from in2_plugin.demo.plan import DemoRequest, Stage
from in2_plugin.demo.speed import read_speed
from in2_plugin.demo.training_log import LogFollower, curve
from in2_plugin.errors import DemoFailed
from in2_plugin.io.resources import packaged_folder

OWN_PROBE = "in2_probe"
COMMAND = 42
"""Columns of a command before its explanation."""


@dataclass(frozen=True, slots=True)
class DemoVerdict:
    """What the report says in short."""

    sentence: str
    next_step: str
    """What to try; empty if the model has improved."""
    average: str
    """`0.0 [0.0, 1.2] → 67.1 [60.2, 73.9]`, in percent."""
    dip: str
    """Ends minus middle, in the same form."""


def how_to_try(request: DemoRequest) -> tuple[str, ...]:
    """Return the commands of other attempts, one line each."""
    longer = () if request.is_full else (_line("--full", "longer, also on longer contexts"),)
    another = _line("--model NAME-OR-FOLDER", "another model")
    if not request.recipe.is_relative_to(packaged_folder("recipes")):
        return (*longer, another, _line(f"--recipe {request.recipe}", "after a change of its numbers"))
    name = request.recipe.name
    copied = f"{f'in2 recipes copy {name}':{COMMAND}} # other numbers: edit the copy"
    return (*longer, another, copied, _line(f"--recipe ./{name}"))


def _line(options: str, does: str = "") -> str:
    return f"{f'in2 demo NEW-FOLDER {options}':{COMMAND}} # {does}" if does else f"in2 demo NEW-FOLDER {options}"


def summary_of(stage: Stage, folder: DemoFolder) -> str:
    """Return one line about what a stage has made."""
    found = {
        "model": _model, "probe": _probe, "data": _data, "evaluation": _evaluation, "training": _training,
        "report": _report,
    }[stage.task]  # fmt: skip
    return found(stage, folder)


def read_verdict(folder: DemoFolder) -> DemoVerdict:
    """Read the verdict on the own probe, or else on the first probe of the report.

    Raises:
        DemoFailed: the report has no verdict, because no probe was run.
    """
    headlines = _json(folder.path / PAGE).get("headlines", [])
    chosen = next((one for one in headlines if one["task"] == OWN_PROBE), headlines[0] if headlines else None)
    if chosen is None:
        raise DemoFailed(f"{folder.path / PAGE}: compares no probe; add `in2_probe` to the tasks in demo.yml")
    return DemoVerdict(chosen["sentence"], chosen["next_step"], chosen["average"], chosen["dip"])


def _json(page: Path) -> Any:
    return json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))


def _model(_: Stage, folder: DemoFolder) -> str:
    speed = read_speed(folder.path / SPEED)
    cores = f"{speed.cores} core{'s' * (speed.cores > 1)}" if speed.is_cpu else speed.device.upper()
    size = f"{speed.parameters / 1e6:,.0f}M" if speed.parameters >= 1e7 else f"{speed.parameters:,}"
    return f"{size} parameters; {speed.dtype}, {cores}, {speed.tokens_per_second:,.0f} tokens/s"


def _probe(_: Stage, folder: DemoFolder) -> str:
    facts = json.loads((folder.path / PROBE / layout.PROBE).read_text(encoding="utf-8"))
    lengths = " and ".join(f"{length:,}" for length in facts["lengths"])
    counts = facts["counts"]
    return f"{counts['questions']:,} questions at {facts['n_depths']} depths of {lengths} tokens"


def _data(stage: Stage, folder: DemoFolder) -> str:
    facts = json.loads((folder.path / stage.name / layout.MANIFEST).read_text(encoding="utf-8"))
    return f"{facts['examples']:,} contexts, {facts['counts']['tokens']:,} tokens"


def _evaluation(stage: Stage, folder: DemoFolder) -> str:
    files = sorted((folder.path / RESULTS / stage.name).rglob("results_*.json"))
    if not files:
        raise DemoFailed(
            f"{folder.path / RESULTS / stage.name}: lm_eval wrote no results; see {folder.log(stage.name)}"
        )
    results = json.loads(files[-1].read_text(encoding="utf-8"))["results"]
    own = results.get(f"{OWN_PROBE}_context", {}).get("acc,none")
    before = "" if stage.name == FIRST else " now"
    return "results written" if own is None else f"{100 * own:.0f}% of the answers are right{before}"


def _training(stage: Stage, folder: DemoFolder) -> str:
    follower = LogFollower(folder.log(stage.name))
    follower.read()
    if not follower.losses:
        return f"{follower.total:,} steps"
    first, last = follower.losses[0], follower.losses[-1]
    return f"loss {first:.2f} {curve(follower.losses)} {last:.2f}"


def _report(_: Stage, folder: DemoFolder) -> str:
    return ", ".join(path.name for path in sorted(folder.path.glob(f"{Path(PAGE).stem}.*")) if path.name != LOCK)
