"""Training with the real Axolotl, and reading what it did.

A start of `axolotl train` costs 10 to 20 s of imports, so several configurations can also share one process, under
torchrun too: `python axolotl_runs.py a.yml b.yml` does for each what `python -m axolotl.cli.train` does for one.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG = {
    "base_model": "model",
    "plugins": ["tests.support.cpu_shim.CPUShimPlugin", "in2_plugin.axolotl.IN2Plugin"],
    "datasets": [{"path": "data/in2", "type": "in2"}],
    "dataset_prepared_path": "prepared",
    "sequence_len": 512,
    "micro_batch_size": 1,
    "max_steps": 3,
    "num_epochs": 9,
    "save_strategy": "no",
    "logging_steps": 1,
    "learning_rate": 0.002,
    "optimizer": "adamw_torch",
    "attn_implementation": "sdpa",
    "bf16": False,
    "fp16": False,
    "seed": 42,
    "dataset_num_proc": 1,
}
TORCHRUN = ("--standalone", "--nproc_per_node")  # standalone: a port that is free


def write(folder: Path, name: str, **changes: Any) -> str:
    """`NAME.yml` in a folder, with `out/NAME` for its output; a change of None leaves a key out."""
    import yaml

    values = {**CONFIG, "output_dir": f"out/{name}", **changes}
    (folder / f"{name}.yml").write_text(
        yaml.safe_dump({key: value for key, value in values.items() if value is not None})
    )
    return f"{name}.yml"


def train(folder: Path, name: str, ranks: int = 1) -> str:
    """`axolotl train NAME.yml`; what it said."""
    from tests.support.e2e_run import run

    launcher = ("torchrun", "--", *TORCHRUN, ranks) if ranks > 1 else ("python",)
    return run("axolotl", "train", f"{name}.yml", "--launcher", *launcher, cwd=folder)


def train_all(folder: Path, names: list[str], ranks: int = 1) -> str:
    """Train with each configuration, in one process a rank; what they said."""
    from tests.support.e2e_run import run

    launcher = ("torchrun", *TORCHRUN, ranks) if ranks > 1 else (sys.executable,)
    return run(*launcher, __file__, *(f"{name}.yml" for name in names), cwd=folder)


def witness(folder: Path, name: str) -> dict[str, Any]:
    """What the shim's callback wrote at the end of a run."""
    return json.loads((folder / "out" / name / "witness.json").read_text())


def steps(seen: Mapping[str, Any]) -> list[tuple[float, float]]:
    """(loss, gradient norm) of each step."""
    return [(entry["loss"], entry["grad_norm"]) for entry in seen["logs"] if "loss" in entry]


def _forget() -> None:
    """Leave the next run a process as new: without the plugins and the devices of the last one."""
    from accelerate.state import AcceleratorState
    from axolotl.integrations.base import PluginManager
    from axolotl.utils import distributed

    PluginManager.get_instance().plugins.clear()
    AcceleratorState._reset_state(reset_partial_state=True)
    distributed.distributed_state = None


def _main(files: list[str]) -> None:
    import torch.distributed
    from axolotl.cli.train import do_cli

    # runs share their process group: a second one would look up the addresses of the first, and may wait for ever
    torch.distributed.destroy_process_group = lambda *_: None
    for file in files:
        _forget()
        sys.argv = [sys.argv[0], file]
        do_cli(file)


if __name__ == "__main__":
    _main(sys.argv[1:])
