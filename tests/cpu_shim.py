"""What Axolotl, accelerate and DeepSpeed need to run several ranks on the CPU: a plugin for tests, named first.

Axolotl and accelerate choose a device and a backend by looking for a GPU; without one they start every rank for
itself, on the same data, or hand out a CUDA device. This plugin chooses gloo and the CPU before anybody looks. It
changes nothing where there is a GPU, and nothing of what is computed.
"""

import os
from typing import Any

import torch
from accelerate import ParallelismConfig, PartialState
from accelerate.state import DistributedType
from axolotl.integrations.base import BasePlugin


def ranks() -> int:
    """Processes of this run, as the launcher says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def choose_gloo(kind: DistributedType) -> None:
    """Let accelerate take gloo, and `kind` for the way in which its processes work together."""
    PartialState._prepare_backend = lambda *_, **__: ("gloo", kind)
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"


def let_deepspeed_run() -> None:
    """DeepSpeed's own CPU accelerator, with gloo where Axolotl asks it for NCCL."""
    os.environ |= {"DS_ACCELERATOR": "cpu", "MASTER_ADDR": "127.0.0.1"}
    os.environ.setdefault("MASTER_PORT", "29517")
    import deepspeed.comm

    started = deepspeed.comm.init_distributed
    deepspeed.comm.init_distributed = lambda dist_backend=None, *rest, **named: started("gloo", *rest, **named)
    choose_gloo(DistributedType.MULTI_CPU)


class CPUShimPlugin(BasePlugin):
    """`plugins: [cpu_shim.CPUShimPlugin, in2_plugin.axolotl.IN2Plugin]`, with this folder on PYTHONPATH."""

    def register(self, cfg: Any) -> None:
        """The first hook of a process: nobody has looked for a device yet."""
        if torch.cuda.is_available():
            return
        if cfg.get("deepspeed"):
            let_deepspeed_run()
        elif cfg.get("fsdp_config"):
            choose_gloo(DistributedType.MULTI_GPU)  # accelerate knows FSDP on accelerators alone
            meshed = ParallelismConfig.build_device_mesh  # which Axolotl asks for "cuda"
            ParallelismConfig.build_device_mesh = lambda self, _: meshed(self, "cpu")
        elif ranks() > 1:
            choose_gloo(DistributedType.MULTI_CPU)

    def load_datasets(self, cfg: Any, preprocess: bool = False) -> None:
        """The first hook after Axolotl has chosen `device_map`, which names a GPU for each of several ranks."""
        if ranks() > 1 and not torch.cuda.is_available():
            cfg.device_map = None if cfg.deepspeed or cfg.fsdp_config else {"": "cpu"}
