"""Validate an Axolotl config as Axolotl does, for a GPU that need not be in this machine.

Axolotl's own `load_cfg` depends on the hardware of the machine, so `bf16: true` fails on a login node, and it creates a
log in `output_dir`. Here the same steps use the capabilities of the stated GPU, and nothing is written. Invariant: the
returned config has the `datasets` and `sequence_len` of the file. Cost: 6 s of imports.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import yaml

from in2_plugin.dataset.reader import read_manifest
from in2_plugin.errors import ConfigError, DatasetError, MissingExtra, one_line
from in2_plugin.preflight.costs import GPUS, Gpu
from in2_plugin.training.axolotl.plugins import TYPES, refuse_missing_plugins, require_plugin

CPU = "CPU"


def read_file(path: Path) -> dict[str, Any]:
    """Return the config as written in its file.

    Raises:
        ConfigError: it cannot be read, or is not a mapping with `base_model`.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); pass the config that you train with") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {_flat(error)}; correct it") from None
    if not isinstance(data, dict) or not data.get("base_model"):
        raise ConfigError(f"{path}: has no `base_model:`; pass the Axolotl config that you train with")
    return data


def choose_gpu(name: str | None, *, half: bool = True, starts: bool = False) -> Gpu:
    """Return the GPU of that name, ignoring case; `CPU` is that of this machine.

    Without a name, return the GPU of this machine. If it has none: its CPU for a run in float32 or one that starts
    here, or else the paper's A100-80G, since the run will be elsewhere.

    Args:
        half: the run computes in half precision.
        starts: the run starts on this machine.

    Raises:
        ConfigError: the name is unknown.
    """
    if name is None:
        return _gpu_here() or (GPUS["A100-80G"] if half and not starts else _cpu_here(half))
    known = {one.lower(): one for one in (*GPUS, CPU)}
    if name.lower() not in known:
        raise ConfigError(f"unknown GPU `{name}`; choose one of {', '.join(known.values())}")
    return _cpu_here(half) if known[name.lower()] == CPU else GPUS[known[name.lower()]]


def _cpu_here(half: bool) -> Gpu:
    """Return the CPU of this machine: its memory, and the measured speed of the cores that torch uses, all together."""
    import torch

    from in2_plugin.inspection.environment.cpu_dtype import cpu_matmul_speeds

    speed = cpu_matmul_speeds()["bfloat16" if half else "float32"] * torch.get_num_threads()
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Gpu(CPU, size, round(speed, 2), GPUS["A100-80G"].capability, is_cpu=True)


def _gpu_here() -> Gpu | None:
    """Return the GPU of this machine by name and memory; an unknown GPU gets the speed of an A100."""
    import torch

    if not torch.cuda.is_available():
        return None
    device = torch.cuda.get_device_properties(0)
    words = device.name.replace("-", " ").split()
    for gpu in GPUS.values():
        model = gpu.name.removeprefix("RTX-").partition("-")[0]
        if model in words and abs(device.total_memory - gpu.memory) < gpu.memory / 10:
            return gpu
    capability = f"sm_{device.major}{device.minor}"
    return Gpu(device.name, device.total_memory, GPUS["A100-80G"].tflops, capability)


def load_config(path: Path, gpu: str | None = None) -> Any:
    """Return the config as validated by Axolotl for this GPU, or for the one that the config names under `in2:`.

    Raises:
        ConfigError: Axolotl or a plugin refuses the config, with the original reason.
        MissingExtra: Axolotl is not installed.
    """
    os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")
    data = read_file(path)
    chosen = choose_gpu(gpu or _named(data))
    with quiet():
        try:
            from axolotl.cli.config import prepare_plugins
            from axolotl.utils.dict import DictDefault
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "axolotl":
                raise
            raise MissingExtra("in2 preflight", "axolotl") from None
        cfg = DictDefault(data)
        cfg.axolotl_config_path = str(path)
        stated = cfg.sequence_len
        # with the real value the plugin would refuse a config whose examples do not fit, before any other check
        cfg.sequence_len = max([stated or 0, *_longest(data)]) or stated
        with _refusals(path):
            refuse_missing_plugins(cfg)
            require_plugin(cfg)
            prepare_plugins(cfg)
            cfg = _validated(cfg, chosen)
    cfg.sequence_len = stated or cfg.sequence_len
    return cfg


def _named(data: Mapping[str, Any]) -> str | None:
    section = data.get("in2")
    name = section.get("gpu") if isinstance(section, Mapping) else None
    return name if isinstance(name, str) else None


def _longest(data: Mapping[str, Any]) -> Iterator[int]:
    """Yield the longest example of each readable IN2 dataset; the plugin refuses unreadable ones later."""
    for entry in data.get("datasets") or []:
        if isinstance(entry, Mapping) and entry.get("type") in TYPES and entry.get("path"):
            try:
                yield read_manifest(Path(entry["path"])).longest
            except DatasetError:
                continue


def _validated(cfg: Any, gpu: Gpu) -> Any:
    import torch
    from axolotl.utils.config import normalize_cfg_datasets, normalize_config, validate_config

    has_fp8 = int(gpu.capability.removeprefix("sm_")) >= 90
    capabilities = {"bf16": True, "fp8": has_fp8, "tf32": True, "n_gpu": 1, "compute_capability": gpu.capability}
    torch_version = str(torch.__version__).partition("+")[0]
    cfg = validate_config(cfg, capabilities=capabilities, env_capabilities={"torch_version": torch_version})
    if cfg.bf16 == "auto":
        cfg.bf16 = True  # every GPU in GPUS supports it
    normalize_config(cfg)
    normalize_cfg_datasets(cfg)
    return cfg


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Turn any error of Axolotl, Pydantic or a plugin into one sentence."""
    try:
        yield
    except (ConfigError, SystemExit) as refusal:
        raise ConfigError(f"{path}: {str(refusal).removeprefix('in2: ')}") from None
    except Exception as error:  # Axolotl's hundred or so validators raise errors of many types
        raise ConfigError(f"{path}: Axolotl rejects it: {_reason(error)}; correct the config") from error


def _reason(error: Exception) -> str:
    """Return the first error, with its key."""
    list_errors = getattr(error, "errors", None)
    if callable(list_errors) and (listed := list_errors()):
        key = ".".join(map(str, listed[0]["loc"]))
        message = _flat(str(listed[0]["msg"]).removeprefix("Value error, "))
        return f"`{key}`: {message}" if key else message
    return _flat(error)


def _flat(message: object) -> str:
    return one_line(message).rstrip(".;")


@contextmanager
def quiet() -> Iterator[None]:
    """Redirect Axolotl's log and banner to stderr, so that stdout holds only the report."""
    with redirect_stdout(sys.stderr):
        yield
