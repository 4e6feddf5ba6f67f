"""What Axolotl, accelerate and DeepSpeed need to run several ranks on the CPU: a plugin for tests, named first.

They choose device and backend by looking for a GPU; without one they start every rank for itself, on the same data, or
hand out a CUDA device. This plugin chooses gloo and the CPU before they look, and writes down what the run did. It
changes nothing of what is computed, and no device where there is a GPU.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from accelerate import ParallelismConfig, PartialState
from accelerate.state import DistributedType
from axolotl.integrations.base import BasePlugin
from transformers import TrainerCallback

MESHED = ParallelismConfig.build_device_mesh


def ranks() -> int:
    """Processes of this run, as the launcher says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def choose_gloo(kind: DistributedType) -> None:
    """Let accelerate take gloo, and `kind` for the way in which its processes work together."""
    PartialState._prepare_backend = lambda *_, **__: ("gloo", kind)
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"


def let_deepspeed_run() -> None:
    """DeepSpeed's own CPU accelerator, with gloo where it is asked for NCCL, and without compiling anything."""
    os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed.comm

    # sums through shared memory, which would be compiled now: a minute, and it takes a C++ compiler
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    started = deepspeed.comm.init_distributed
    deepspeed.comm.init_distributed = lambda dist_backend=None, *rest, **named: started("gloo", *rest, **named)
    choose_gloo(DistributedType.MULTI_CPU)


def let_fsdp_run() -> None:
    """Accelerate knows FSDP on accelerators alone, and Axolotl asks for a mesh of CUDA devices."""
    choose_gloo(DistributedType.MULTI_GPU)
    ParallelismConfig.build_device_mesh = lambda self, _: MESHED(self, "cpu")


class Witness(TrainerCallback):
    """Writes the log in full precision and how parameters are kept to `witness.json` in the output folder."""

    def __init__(self) -> None:
        self._steps = 0

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """A step of this run, and not one that a checkpoint remembers."""
        self._steps += 1

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """After the last step, while the model is still as it was trained."""
        parameter = next(model.parameters())
        seen = {
            "logs": state.log_history,
            "steps": self._steps,
            "ranks": args.world_size,
            "parameter": type(parameter.data).__name__,
            "zero": hasattr(parameter, "ds_id"),
        }
        if state.is_world_process_zero:
            Path(args.output_dir, "witness.json").write_text(json.dumps(seen))


class CPUShimPlugin(BasePlugin):
    """`plugins: [tests.support.cpu_shim.CPUShimPlugin, in2_plugin.axolotl.IN2Plugin]`."""

    def register(self, cfg: Any) -> None:
        """The first hook of a process: nobody has looked for a device yet."""
        if torch.cuda.is_available():
            return
        if cfg.get("deepspeed"):
            let_deepspeed_run()
        elif cfg.get("fsdp_config"):
            let_fsdp_run()
        elif ranks() > 1:
            choose_gloo(DistributedType.MULTI_CPU)

    def load_datasets(self, cfg: Any, preprocess: bool = False) -> None:
        """The first hook after Axolotl has chosen `device_map`, which names a GPU for each of several ranks."""
        if ranks() > 1 and not torch.cuda.is_available():
            cfg.device_map = None if cfg.deepspeed or cfg.fsdp_config else {"": "cpu"}

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[TrainerCallback]:
        """Callbacks of the trainer."""
        return [Witness()]
