"""Measure peak memory and time of a training step, with logits at every token and only at answer tokens.

    python benchmarks/answer_logits.py      # the tables of docs/benchmarks.md; 7B on a GPU if there is one
    python benchmarks/answer_logits.py --device cpu --tokens 8192 --vocabulary 32000

Each step is the forward and backward pass of one example with 64 answer tokens at the end. On the CPU the model has two
layers of width 256 in float32; on a GPU it has the shape of Mistral-7B, in bfloat16 with gradient checkpointing.
Weights are random. Each cell runs in its own process. The table marks cells that are too large to try and cells that
run out of memory. Memory is the amount that a step adds to the model: resident memory on the CPU, allocated memory on a
GPU. On the CPU, processor time is in parentheses and is used for the comparison, because other processes affect it
little. Needs only torch and transformers of this package's requirements.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from typing import Any

from measured import (
    OUT_OF_MEMORY,
    forget_peak,
    heading,
    held,
    in_own_process,
    limit_memory,
    memory,
    tabulate,
)

ANSWER_TOKENS = 64
WARM_UP = 128
"""Tokens of the first step, which is not measured."""
SAMPLE = 65_536
"""Evenly spread entries of each parameter's gradient that are compared."""
WAYS = ("full", "at answers")
SHAPES = {
    "cpu": {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 4},
    "cuda": {"hidden_size": 4_096, "intermediate_size": 14_336, "num_hidden_layers": 32, "num_attention_heads": 32,
             "num_key_value_heads": 8},
    "quick": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
              "num_key_value_heads": 2},
}  # fmt: skip


def least_bytes_of_logits(tokens: int, vocabulary: int) -> int:
    """Return the least memory for all logits on the CPU: float32 logits, their log-softmax and their gradient."""
    return 3 * 4 * tokens * vocabulary


def config_of(shape: str, vocabulary: int, tokens: int) -> Any:
    """Return the config of a Mistral without a sliding window."""
    from transformers import MistralConfig

    window = {"sliding_window": None, "max_position_embeddings": tokens}
    return MistralConfig(vocab_size=vocabulary, **window, **SHAPES[shape], attn_implementation="sdpa")


def make_model(job: dict[str, Any]) -> Any:
    """Return the model of a job, with the same random weights in every process."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    dtype = torch.bfloat16 if job["device"] == "cuda" else torch.float32
    config = config_of(job["shape"], job["vocabulary"], job["tokens"])
    with torch.device(job["device"]):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    if job["device"] == "cuda":
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model.train()


def step(model: Any, inputs: dict[str, Any], at_answers: bool) -> float:
    """Run a forward and backward pass and return the loss."""
    if at_answers:
        from in2_plugin.training.answer_logits import keep_supervised

        inputs = keep_supervised(inputs)
    loss = model(**inputs, use_cache=False).loss
    loss.backward()
    return float(loss.detach())


def measure(job: dict[str, Any]) -> dict[str, float]:
    """Return seconds, bytes above those of the model, and loss; write a sample of every gradient to the job's file."""
    import torch

    on_gpu = job["device"] == "cuda"
    if not on_gpu:
        limit_memory()
    model, inputs, at_answers = make_model(job), make_inputs(job), job["way"] == "at answers"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    else:
        forget_peak()
    took, before = [], torch.cuda.memory_allocated() if on_gpu else held("VmRSS")
    # kernel selection, compilation and imports at first use are not part of a step
    step(model, {name: value[:, -WARM_UP:] for name, value in inputs.items()}, at_answers)
    for _ in range(3 if on_gpu else 1):
        model.zero_grad(set_to_none=True)
        _wait(on_gpu)
        clock, processor = time.perf_counter(), time.process_time()
        loss = step(model, inputs, at_answers)
        _wait(on_gpu)
        took.append((time.perf_counter() - clock, time.process_time() - processor))
    peak = torch.cuda.max_memory_allocated() if on_gpu else held("VmHWM")
    torch.save(sampled(model), job["gradients"])
    seconds, processor = min(took)
    return {"seconds": seconds, "processor": processor, "extra": peak - before, "loss": loss}


def make_inputs(job: dict[str, Any]) -> dict[str, Any]:
    """Return one example of random tokens, (1, n_tokens) each."""
    import torch

    ids = torch.randint(3, job["vocabulary"], (1, job["tokens"]), generator=torch.Generator().manual_seed(1))
    labels = torch.full_like(ids, -100)
    labels[:, -ANSWER_TOKENS:] = ids[:, -ANSWER_TOKENS:]
    return {"input_ids": ids.to(job["device"]), "labels": labels.to(job["device"])}


def _wait(on_gpu: bool) -> None:
    if on_gpu:
        import torch

        torch.cuda.synchronize()


def sampled(model: Any) -> list[Any]:
    """Return a sample of the entries of each parameter's gradient."""
    gradients = (parameter.grad.flatten() for parameter in model.parameters())
    return [gradient[:: math.ceil(len(gradient) / SAMPLE)].cpu().clone() for gradient in gradients]


def difference(full: dict[str, float], kept: dict[str, float], gradients: list[str]) -> str:
    """Return the relative difference of the loss, and the largest of any parameter's gradient."""
    import torch

    pairs = zip(*(torch.load(path) for path in gradients), strict=True)
    each = [float((a.double() - b.double()).norm() / a.double().norm().clamp(min=1e-30)) for a, b in pairs]
    return f"{abs(full['loss'] - kept['loss']) / abs(full['loss']):.0e} / {max(each):.0e}"


def cell(job: dict[str, Any]) -> dict[str, Any] | str:
    """Return the figures of one cell, or the reason why there are none."""
    wanted = least_bytes_of_logits(job["tokens"], job["vocabulary"])
    if job["device"] == "cpu" and job["way"] == "full" and wanted > 0.9 * memory("MemAvailable"):
        return f"does not fit: {wanted / 1e9:.0f} GB by estimate, not tried"
    return in_own_process(__file__, job) or "out of memory"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", help="default: 8192 and 32768")
    parser.add_argument("--vocabulary", type=int, nargs="+", help="default: 32000 and 152064")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: a GPU if there is one")
    parser.add_argument("--quick", action="store_true", help="use a very small model and few tokens, as a smoke test")
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        run_job(arguments.job)
        return
    import torch

    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    tokens = arguments.tokens or ([256] if arguments.quick else [8_192, 32_768])
    vocabularies = arguments.vocabulary or ([1_000] if arguments.quick else [32_000, 152_064])
    print(heading(torch.cuda.get_device_name() if device == "cuda" else ""))
    fixed = {"device": device, "shape": "quick" if arguments.quick else device}
    print_table([{**fixed, "tokens": n, "vocabulary": v} for v in vocabularies for n in tokens])


def print_table(cells: list[dict[str, Any]]) -> None:
    """Print a row for each vocabulary and number of tokens; memory is the amount above model and inputs."""
    row = tabulate(
        "vocabulary | tokens | s a step, every token | s, at answers | times as fast | GB, every token | "
        "GB, at answers | times less | difference of loss / gradients"
    )
    for job in cells:
        with tempfile.TemporaryDirectory() as folder:
            paths = [f"{folder}/{way}.pt" for way in WAYS]
            full, kept = (cell({**job, "way": way, "gradients": path}) for way, path in zip(WAYS, paths, strict=True))
            row(f"{job['vocabulary']:,}", f"{job['tokens']:,}", *_compared(job, full, kept, paths))


def _compared(job: dict[str, Any], full: Any, kept: Any, paths: list[str]) -> tuple[str, ...]:
    if isinstance(kept, str):
        return full if isinstance(full, str) else _seconds(job, full), kept, *"-----"
    own = _seconds(job, kept), f"{kept['extra'] / 1e9:.2f}"
    if isinstance(full, str):
        return full, own[0], "-", "-", own[1], "-", "-"
    faster = "seconds" if job["device"] == "cuda" else "processor"
    return (_seconds(job, full), own[0], f"{full[faster] / kept[faster]:.1f}", f"{full['extra'] / 1e9:.2f}", own[1],
            f"{full['extra'] / kept['extra']:.1f}", difference(full, kept, paths))  # fmt: skip


def _seconds(job: dict[str, Any], found: dict[str, float]) -> str:
    return f"{found['seconds']:.2f}" + (f" ({found['processor']:.1f})" if job["device"] == "cpu" else "")


def run_job(job: dict[str, Any]) -> None:
    """Measure one cell in this process."""
    try:
        print(json.dumps(measure(job)))
    except (MemoryError, RuntimeError) as failure:  # torch has a separate error type only for GPUs
        if "memory" not in str(failure).lower() and not isinstance(failure, MemoryError):
            raise
        sys.exit(OUT_OF_MEMORY)


if __name__ == "__main__":
    main()
