"""Train with the real Axolotl and read the results.

Starting `axolotl train` costs 10 to 20 s of imports, so several configs can share one process, also under torchrun:
`python axolotl_runs.py a.yml b.yml` does for each config what `python -m axolotl.cli.train` does for one.
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
TORCHRUN = ("--standalone", "--nproc_per_node")  # standalone: chooses a free port


def write(folder: Path, name: str, **changes: Any) -> str:
    """Write `NAME.yml` with `out/NAME` as its output folder; a value of None removes a key."""
    import yaml

    values = {**CONFIG, "output_dir": f"out/{name}", **changes}
    (folder / f"{name}.yml").write_text(
        yaml.safe_dump({key: value for key, value in values.items() if value is not None})
    )
    return f"{name}.yml"


def train(folder: Path, name: str, ranks: int = 1) -> str:
    """Run `axolotl train NAME.yml` and return its output."""
    from tests.support.e2e_run import run

    launcher = ("torchrun", "--", *TORCHRUN, ranks) if ranks > 1 else ("python",)
    return run("axolotl", "train", f"{name}.yml", "--launcher", *launcher, cwd=folder)


def train_all(folder: Path, names: list[str], ranks: int = 1) -> str:
    """Train with each config, in one process per rank, and return the output."""
    from tests.support.e2e_run import run

    launcher = ("torchrun", *TORCHRUN, ranks) if ranks > 1 else (sys.executable,)
    return run(*launcher, __file__, *(f"{name}.yml" for name in names), cwd=folder)


def witness(folder: Path, name: str) -> dict[str, Any]:
    """Return the record that the callback of `cpu_shim` wrote at the end of a run."""
    return json.loads((folder / "out" / name / "witness.json").read_text())


def steps(seen: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Return (loss, gradient norm) of each step."""
    return [(entry["loss"], entry["grad_norm"]) for entry in seen["logs"] if "loss" in entry]


def _forget() -> None:
    """Reset plugins and devices, so that the next run starts as in a new process."""
    from accelerate.state import AcceleratorState
    from axolotl.integrations.base import PluginManager
    from axolotl.utils import distributed

    PluginManager.get_instance().plugins.clear()
    AcceleratorState._reset_state(reset_partial_state=True)
    distributed.distributed_state = None


def _main(files: list[str]) -> None:
    import torch.distributed
    from axolotl.cli.train import do_cli

    # runs share one process group: a second one would look up the addresses of the first and may wait forever
    torch.distributed.destroy_process_group = lambda *_: None
    for file in files:
        _forget()
        sys.argv = [sys.argv[0], file]
        do_cli(file)


if __name__ == "__main__":
    _main(sys.argv[1:])
