"""Train one model with the script of `in2 sft`, resumable to the last checkpoint after a kill at any moment.

The script runs without accelerate's launcher, whose child would outlive a killed harness. Invariant: finished.json is
written after the model, checkpoints are deleted after that.
"""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.evidence.running.folder import StudyFolder
from benchmarks.evidence.study import Section
from in2_plugin.demo.checkpoints import STATE, newest_checkpoint
from in2_plugin.errors import ConfigError
from in2_plugin.io.atomic import write_json_atomic

SCRIPT = (sys.executable, "-m", "in2_plugin.training.trl.sft", "--config")
FINISHED = "finished.json"


def train(folder: StudyFolder, name: str, start: str, data: Path, section: Section, seed: int) -> dict[str, Any]:
    """Train `models/NAME` from the model `start`, or go on; return steps, seconds and the last logged losses.

    Raises:
        ConfigError: the trainer failed.
    """
    output = folder.path / "models" / name
    finished = output / FINISHED
    if not finished.exists():
        resumed, begun = newest_checkpoint(output), time.monotonic()
        config = {**section, **_settings(folder, name, start, data, seed, resumed)}
        folder.run(f"train-{name}", *SCRIPT, folder.write_config(f"train-{name}", config))
        before = int(resumed.name.rpartition("-")[2]) if resumed else 0
        write_json_atomic(finished, _facts(output, before, time.monotonic() - begun))
    for checkpoint in output.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    return dict(json.loads(finished.read_text(encoding="utf-8")))


def _settings(
    folder: StudyFolder, name: str, start: str, data: Path, seed: int, resumed: Path | None
) -> dict[str, Any]:
    settings = {
        "model_name_or_path": start,
        "datasets": [{"path": "in2", "data_dir": str(data)}],
        "output_dir": f"models/{name}",
        "seed": seed,
        "bf16": folder.dtype == "bfloat16",
        "use_cpu": folder.device == "cpu",
        "save_strategy": "steps",
        "save_steps": folder.study.save_steps,
        "save_total_limit": 2,
        "report_to": "none",
    }
    return settings | ({"resume_from_checkpoint": str(resumed.relative_to(folder.path))} if resumed else {})


def _facts(output: Path, before: int, seconds: float) -> dict[str, Any]:
    newest = newest_checkpoint(output)
    if newest is None:
        raise ConfigError(f"{output}: the trainer wrote no checkpoint; leave `save_strategy` to the harness")
    state = json.loads((newest / STATE).read_text(encoding="utf-8"))
    steps = int(state["global_step"])
    losses = [entry for entry in state["log_history"] if "loss" in entry]
    # of the last attempt alone: a kill loses the time of those before
    return {"steps": steps, "seconds": round(seconds, 1), "timed_steps": steps - before, "log": losses[-1:]}
