"""Measure how fast this machine trains a model: `python -m in2_plugin.demo.speed MODEL FILE`.

Writes dtype, device and tokens per second as JSON; the demo scales its expected times by them. One step with forward
and backward pass, after one that warms up. Cost: loading the model, and two steps of 512 tokens.
"""

import json
import time
from argparse import ArgumentParser
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError, one_line
from in2_plugin.io.atomic import write_json_atomic

TOKENS = 512


@dataclass(frozen=True, slots=True)
class MachineSpeed:
    """How this machine trains the model of the demo."""

    device: str
    """`cpu`, `cuda` or `mps`."""
    dtype: str
    """The fastest one on the device: `float32` or `bfloat16`."""
    cores: int
    """Threads that torch uses."""
    tokens_per_second: float
    """Of one training step without the optimizer, on one sequence of 512 tokens."""
    parameters: int

    @property
    def is_cpu(self) -> bool:
        """Return True without an accelerator."""
        return self.device == "cpu"


def read_speed(path: Path) -> MachineSpeed:
    """Read what `measure` found."""
    return MachineSpeed(**json.loads(path.read_text(encoding="utf-8")))


def measure(name: str) -> MachineSpeed:
    """Load a model and time a training step of it.

    Raises:
        ConfigError: it is not a model that transformers can load.
    """
    import torch
    from transformers import AutoModelForCausalLM

    device, dtype = _device_and_dtype(torch)
    try:
        model = AutoModelForCausalLM.from_pretrained(name, dtype=getattr(torch, dtype)).to(device)
    except (OSError, ValueError) as failure:
        raise ConfigError(
            f"{name}: cannot be loaded as a model ({one_line(failure)}); give a folder with a config.json and "
            "weights, or a name on the Hugging Face hub"
        ) from None
    ids = torch.randint(0, model.config.vocab_size, (1, TOKENS), device=device)
    seconds = [_step(torch, model, ids, device) for _ in range(2)][-1]
    return MachineSpeed(device, dtype, torch.get_num_threads(), round(TOKENS / seconds, 1), model.num_parameters())


def _device_and_dtype(torch: Any) -> tuple[str, str]:
    if torch.cuda.is_available():
        return "cuda", "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    if torch.backends.mps.is_available():
        return "mps", "float32"
    from in2_plugin.inspection.environment.cpu_dtype import fastest_cpu_dtype

    return "cpu", fastest_cpu_dtype()


def _step(torch: Any, model: Any, ids: Any, device: str) -> float:
    started = time.perf_counter()
    model(input_ids=ids, labels=ids).loss.backward()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    """Measure the model that the command line names."""
    parser = ArgumentParser(description="Measure how fast this machine trains a model.")
    parser.add_argument("model", help="name or folder of the model")
    parser.add_argument("file", type=Path, help="JSON file to write")
    given = parser.parse_args()
    try:
        found = measure(given.model)
    except ConfigError as failure:
        raise SystemExit(f"error: {failure}") from None
    write_json_atomic(given.file, asdict(found))
    print(f"{found.dtype} on {found.device}, {found.tokens_per_second:,.0f} tokens/s in training")


if __name__ == "__main__":
    main()
