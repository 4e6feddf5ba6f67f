"""Which examples a training run reads, written to `watch.json` in its output folder with its log in full precision.

Works by `LazyExamples` reading one example at a time, so for a run without worker processes. For Axolotl it is a
plugin; `trl_runs` adds the callback itself.
"""

import json
from pathlib import Path
from typing import Any

from axolotl.integrations.base import BasePlugin
from transformers import TrainerCallback

from in2_plugin.training.dataset import EXAMPLE, LazyExamples

READ: list[int] = []
"""Numbers of the examples that this process has read, in order."""


def watch() -> None:
    """Keep the numbers of examples that are read from now on."""
    item = LazyExamples._item

    def watched(self: LazyExamples, number: int) -> dict[str, Any]:
        found = item(self, number)
        READ.append(found[EXAMPLE])
        return found

    LazyExamples._item = watched


class Watch(TrainerCallback):
    """Writes down what happened between the first step and the last."""

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """TRL reads the first example beforehand, to see what it is like."""
        READ.clear()

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """`zero`: parameters are kept as ZeRO keeps them."""
        if state.is_world_process_zero:
            zero = hasattr(next(model.parameters()), "ds_id")
            seen = {"logs": state.log_history, "ranks": args.world_size, "zero": zero, "read": READ}
            Path(args.output_dir, "watch.json").write_text(json.dumps(seen))


def seen(folder: Path, name: str) -> dict[str, Any]:
    """What a run with `out/NAME` for its output wrote."""
    return json.loads((folder / "out" / name / "watch.json").read_text())


def steps(run: dict[str, Any]) -> list[tuple[float, float]]:
    """(loss, gradient norm) of each step."""
    return [(entry["loss"], entry["grad_norm"]) for entry in run["logs"] if "loss" in entry]


class WatchPlugin(BasePlugin):
    """`plugins: [tests.support.example_watch.WatchPlugin, in2_plugin.axolotl.IN2Plugin]`."""

    def register(self, cfg: Any) -> None:
        """The first hook of a process."""
        watch()

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[TrainerCallback]:
        """Callbacks of the trainer."""
        return [Watch()]
