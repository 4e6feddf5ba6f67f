"""A test plugin that lets Axolotl, accelerate and DeepSpeed run several ranks on the CPU. List it first.

They choose device and backend by looking for a GPU; without one they train every rank alone on the same data, or
select a CUDA device. This plugin selects gloo and the CPU first, and records the run. It does not change the
computation, and changes no device if there is a GPU.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from accelerate import ParallelismConfig, PartialState
from accelerate.state import DistributedType
from axolotl.integrations.base import BasePlugin
from axolotl.utils import environment
from transformers import TrainerCallback

MESHED = ParallelismConfig.build_device_mesh


def ranks() -> int:
    """Return the number of processes that the launcher has set."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def choose_gloo(kind: DistributedType) -> None:
    """Make accelerate use gloo, with `kind` as its distributed type."""
    PartialState._prepare_backend = lambda *_, **__: ("gloo", kind)
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    # Axolotl asks CUDA whether two GPUs reach each other, which a torch built for CUDA answers with an error
    environment.check_cuda_p2p_support = lambda: True
    # Axolotl names the device of the mesh, which exists with FSDP2 and under context parallelism
    ParallelismConfig.build_device_mesh = lambda self, _: MESHED(self, "cpu")


def let_deepspeed_run() -> None:
    """Select DeepSpeed's CPU accelerator, with gloo instead of NCCL, and without compiling extensions."""
    os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed.comm

    # reductions through shared memory would be compiled now, which takes a minute and a C++ compiler
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    started = deepspeed.comm.init_distributed
    deepspeed.comm.init_distributed = lambda dist_backend=None, *rest, **named: started("gloo", *rest, **named)
    choose_gloo(DistributedType.MULTI_CPU)


def let_fsdp_run() -> None:
    """Report gloo as a GPU backend, which accelerate requires for FSDP."""
    choose_gloo(DistributedType.MULTI_GPU)


class Witness(TrainerCallback):
    """Writes the log in full precision and the type of the parameters to `witness.json` in the output folder."""

    def __init__(self) -> None:
        self._steps = 0

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Count a step of this run; steps before a checkpoint are not counted."""
        self._steps += 1

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Write the record after the last step, while the model is still sharded."""
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
        """Select devices in the first hook of a process, before anything has looked for one."""
        if torch.cuda.is_available():
            return
        if cfg.get("deepspeed"):
            let_deepspeed_run()
        elif cfg.get("fsdp_config"):
            let_fsdp_run()
        elif ranks() > 1:
            choose_gloo(DistributedType.MULTI_CPU)

    def load_datasets(self, cfg: Any, preprocess: bool = False) -> None:
        """Overwrite the `device_map` that Axolotl has chosen, which names a GPU per rank."""
        if ranks() > 1 and not torch.cuda.is_available():
            cfg.device_map = None if cfg.deepspeed or cfg.fsdp_config else {"": "cpu"}

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[TrainerCallback]:
        """Return the callback that records the run."""
        return [Witness()]
