"""Record which examples a training run reads, in `watch.json` in its output folder, with the log in full precision.

It patches `LazyExamples`, so it works for runs without dataloader workers. For Axolotl, `axolotl_watch` is a plugin;
`trl_runs` adds the callback itself.
"""

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from in2_plugin.training.dataset import EXAMPLE, LazyExamples

READ: list[int] = []
"""Numbers of the examples read by this process, in order."""


def watch() -> None:
    """Record the numbers of all examples read from now on."""
    item = LazyExamples._item

    def watched(self: LazyExamples, number: int) -> dict[str, Any]:
        found = item(self, number)
        READ.append(found[EXAMPLE])
        return found

    LazyExamples._item = watched


class Watch(TrainerCallback):
    """Records the run between the first and the last step."""

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Forget earlier reads: TRL inspects the first example before training."""
        READ.clear()

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Write the record; `zero` is True if parameters are partitioned by ZeRO."""
        if state.is_world_process_zero:
            zero = hasattr(next(model.parameters()), "ds_id")
            seen = {"logs": state.log_history, "ranks": args.world_size, "zero": zero, "read": READ}
            Path(args.output_dir, "watch.json").write_text(json.dumps(seen))


def seen(folder: Path, name: str) -> dict[str, Any]:
    """Return the record of the run with output folder `out/NAME`."""
    return json.loads((folder / "out" / name / "watch.json").read_text())


def steps(run: dict[str, Any]) -> list[tuple[float, float]]:
    """Return (loss, gradient norm) of each step."""
    return [(entry["loss"], entry["grad_norm"]) for entry in run["logs"] if "loss" in entry]
