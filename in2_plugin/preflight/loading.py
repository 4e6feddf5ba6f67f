"""An Axolotl file as Axolotl itself validates it, for a GPU that need not be here.

Axolotl's own `load_cfg` asks the machine what it can do, so that a file with `bf16: true` is another one on a login
node, and begins a log in `output_dir`. Here the same steps are taken with what the stated GPU can do, and nothing is
written. Invariant: `datasets` and `sequence_len` of what is returned are those of the file. Cost: 6 s of imports.
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
from in2_plugin.training.axolotl.args import TYPES
from in2_plugin.training.axolotl.keys import refuse_missing_plugins


def read_file(path: Path) -> dict[str, Any]:
    """The file as it is written.

    Raises:
        ConfigError: it cannot be read, or is no mapping.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); give the Axolotl file that you train with") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML: {_flat(error)}; correct it") from None
    if not isinstance(data, dict) or not data.get("base_model"):
        raise ConfigError(f"{path}: names no `base_model:`; give the Axolotl file that you train with")
    return data


def choose_gpu(name: str | None) -> Gpu:
    """The GPU of that name, in any spelling of case; without a name the one that is here, or the paper's.

    Raises:
        ConfigError: it is none of those that are known.
    """
    if name is None:
        return _gpu_here() or GPUS["A100-80G"]
    known = {one.lower(): one for one in GPUS}
    if name.lower() not in known:
        raise ConfigError(f"no GPU is called `{name}` here; give one of {', '.join(GPUS)}")
    return GPUS[known[name.lower()]]


def _gpu_here() -> Gpu | None:
    """The GPU of this machine, by name and memory; one that is not known is taken to be as fast as an A100."""
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
    """Axolotl's validated configuration for a GPU of that name, or the one that the file names under `in2:`.

    Raises:
        ConfigError: Axolotl or a plugin refuses the file; its own reason is repeated.
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
        # the plugin would refuse a file whose examples do not fit, before anything else is said about it
        cfg.sequence_len = max([stated or 0, *_longest(data)]) or stated
        with _refusals(path):
            prepare_plugins(cfg)
            refuse_missing_plugins(cfg.plugins or [])
            cfg = _validated(cfg, chosen)
    cfg.sequence_len = stated or cfg.sequence_len
    return cfg


def _named(data: Mapping[str, Any]) -> str | None:
    section = data.get("in2")
    name = section.get("gpu") if isinstance(section, Mapping) else None
    return name if isinstance(name, str) else None


def _longest(data: Mapping[str, Any]) -> Iterator[int]:
    """Tokens of the longest example of each IN2 dataset that can be read; what cannot be is refused by others."""
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
        cfg.bf16 = True  # every GPU that is known here has it
    normalize_config(cfg)
    normalize_cfg_datasets(cfg)
    return cfg


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Whatever Axolotl, Pydantic or a plugin raises, as one sentence."""
    try:
        yield
    except SystemExit as stop:
        raise ConfigError(f"{path}: {str(stop).removeprefix('in2: ')}") from None
    except ConfigError:
        raise
    except Exception as error:  # each of some hundred validators of Axolotl has its own
        raise ConfigError(f"{path}: Axolotl refuses it: {_reason(error)}; correct the file") from error


def _reason(error: Exception) -> str:
    """The first thing that is wrong, with the key."""
    faults = getattr(error, "errors", None)
    if callable(faults) and (listed := faults()):
        key = ".".join(map(str, listed[0]["loc"]))
        said = str(listed[0]["msg"]).removeprefix("Value error, ")
        return f"`{key}`: {_flat(said)}" if key else _flat(said)
    return _flat(error)


def _flat(said: object) -> str:
    return one_line(said).rstrip(".;")


@contextmanager
def quiet() -> Iterator[None]:
    """Axolotl's log and banner go to stderr: stdout is for the report."""
    with redirect_stdout(sys.stderr):
        yield
