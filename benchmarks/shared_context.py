"""Measure the time to answer many questions about one context: prefilled once, and again for every question.

    python benchmarks/shared_context.py      # the table of docs/benchmarks.md
    python benchmarks/shared_context.py --tokens 2048 --questions 100 --batch 1 8

The first method is that of `--model in2-hf` (in2_plugin/probing/backends/shared_context.py); the others call
`model.generate` on whole prompts in left-padded batches, like lm_eval's `hf`. Weights and tokens are random, answers
always have 32 tokens. On the CPU the model has 20 million parameters in float32; on a GPU, the shape of Mistral-7B in
bfloat16. Each row is a separate process. Memory is that of answering, without the model: resident memory on the CPU,
allocated memory on a GPU. Requires only torch and transformers.
"""

import argparse
import importlib.util
import json
import sys
import time
from typing import Any

from measured import OUT_OF_MEMORY, ROOT, forget_peak, heading, held, in_own_process, limit_memory, tabulate

NEW_TOKENS = 32
TAIL = 40
"""Average tokens of a question; they vary from half to one and a half times that."""
SHAPES = {
    "cpu": {"vocab_size": 8_000, "hidden_size": 384, "intermediate_size": 1_024, "num_hidden_layers": 9,
            "num_attention_heads": 6, "num_key_value_heads": 2},
    "cuda": {"vocab_size": 32_000, "hidden_size": 4_096, "intermediate_size": 14_336, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": 8},
    "quick": {"vocab_size": 500, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
              "num_attention_heads": 4, "num_key_value_heads": 2},
}  # fmt: skip


def make_model(job: dict[str, Any]) -> Any:
    """Return a Mistral without a sliding window, with the same weights in every process."""
    import torch
    from transformers import AutoModelForCausalLM, MistralConfig

    torch.manual_seed(0)
    config = MistralConfig(sliding_window=None, max_position_embeddings=131_072, **SHAPES[job["shape"]])
    dtype = torch.bfloat16 if job["device"] == "cuda" else torch.float32
    with torch.device(job["device"]):
        return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa").eval()


def make_prompts(job: dict[str, Any]) -> tuple[list[int], list[list[int]]]:
    """Return a context and its questions as random token ids."""
    import random

    rng = random.Random(0)
    ids = range(3, SHAPES[job["shape"]]["vocab_size"])
    sizes = [rng.randrange(TAIL // 2, TAIL * 3 // 2) for _ in range(job["questions"])]
    return rng.choices(ids, k=job["tokens"]), [rng.choices(ids, k=size) for size in sizes]


def prefill_once(model: Any, job: dict[str, Any], context: list[int], tails: list[list[int]]) -> tuple[list[Any], int]:
    """Return the answers of this package, and the number of prompt tokens that the model processed."""
    ours, prefixes = _module("shared_context"), _module("shared_prefixes")
    sizes = [len(tail) + NEW_TOKENS for tail in tails]
    batches = prefixes.in_batches(sizes, max(4_096, len(context) // 2))
    shared = ours.SharedContext(model, model.config, context, ours.cache_argument(model), job["device"])
    decoding = ours.Decoding(NEW_TOKENS, frozenset())
    answers = [answer for batch in batches for answer in shared.answers([tails[i] for i in batch], decoding)]
    return answers, len(context) + sum(map(len, tails))


def prefill_each_time(
    model: Any, job: dict[str, Any], context: list[int], tails: list[list[int]]
) -> tuple[list[Any], int]:
    """Return the answers of `model.generate` in batches, longest prompts first, and the prompt tokens."""
    import torch

    order = sorted(range(len(tails)), key=lambda i: -len(tails[i]))
    answers: list[Any] = [None] * len(tails)
    tokens = 0
    for start in range(0, len(order), job["batch"]):
        chosen = order[start : start + job["batch"]]
        longest = len(context) + len(tails[chosen[0]])
        rows = [[0] * (longest - len(context) - len(tails[i])) + context + tails[i] for i in chosen]
        ids = torch.tensor(rows, device=job["device"])
        out = model.generate(
            ids, attention_mask=(ids > 0).long(), do_sample=False, max_new_tokens=NEW_TOKENS, pad_token_id=0,
            eos_token_id=None,
        )  # fmt: skip
        tokens += ids.numel()
        for i, row in zip(chosen, out[:, longest:].tolist(), strict=True):
            answers[i] = row
    return answers, tokens


def _module(name: str) -> Any:
    """Import a module of the backends by its file, since the package may import what this machine does not have."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "in2_plugin/probing/backends" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Return seconds, prompt tokens, bytes in addition to the model, and the answers."""
    import torch

    on_gpu = job["device"] == "cuda"
    if not on_gpu:
        limit_memory()
    model, (context, tails) = make_model(job), make_prompts(job)
    method = prefill_each_time if job["batch"] else prefill_once
    method(model, job, context[:64], tails[:2])  # warm up
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    else:
        forget_peak()
    before = torch.cuda.memory_allocated() if on_gpu else held("VmRSS")
    clock, processor = time.perf_counter(), time.process_time()
    answers, tokens = method(model, job, context, tails)
    seconds, processor = time.perf_counter() - clock, time.process_time() - processor
    peak = torch.cuda.max_memory_allocated() if on_gpu else held("VmHWM")
    return {"seconds": seconds, "processor": processor, "tokens": tokens, "extra": peak - before, "answers": answers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--tokens", type=int, nargs="+", help="of the context; by default 2048 and 4096, 32768 on a GPU"
    )
    parser.add_argument("--questions", type=int, help="about each context; by default 100")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8], help="prompts per call of `generate`")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="a GPU if there is one")
    parser.add_argument("--quick", action="store_true", help="a very small model and few tokens, to check that it runs")
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        run_job(arguments.job)
        return
    import torch

    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    lengths = arguments.tokens or ([256] if arguments.quick else [32_768] if device == "cuda" else [2_048, 4_096])
    questions = arguments.questions or (12 if arguments.quick else 100)
    print(heading(torch.cuda.get_device_name() if device == "cuda" else ""))
    print(f"{questions} questions, {NEW_TOKENS} tokens generated for each")
    fixed = {"device": device, "shape": "quick" if arguments.quick else device, "questions": questions}
    print_table([{**fixed, "tokens": n} for n in lengths], arguments.batch)


def print_table(jobs: list[dict[str, Any]], batches: list[int]) -> None:
    """Print, per context, a row for our method and one per batch size; the columns compare with ours."""
    row = tabulate(
        "context | method | prompt tokens read | times more | s (processor s) | times longer | MB above model | same"
    )
    for job in jobs:
        ours = in_own_process(__file__, job | {"batch": 0})
        for batch in (0, *batches):
            found = in_own_process(__file__, job | {"batch": batch}) if batch else ours
            method = f"generate, batch {batch}" if batch else "read once"
            if found is None or ours is None:
                row(f"{job['tokens']:,}", method, "out of memory", *"-----")
                continue
            same = sum(a == b for a, b in zip(found["answers"], ours["answers"], strict=True))
            row(
                f"{job['tokens']:,}", method, f"{found['tokens']:,}", f"{found['tokens'] / ours['tokens']:.1f}",
                f"{found['seconds']:.1f} ({found['processor']:.1f})", f"{found['seconds'] / ours['seconds']:.1f}",
                f"{found['extra'] / 1e6:,.0f}", f"{same} of {len(ours['answers'])}",
            )  # fmt: skip


def run_job(job: dict[str, Any]) -> None:
    """Measure one row in this process."""
    try:
        print(json.dumps(measure(job)))
    except (MemoryError, RuntimeError) as failure:  # torch has its own exception type only for GPUs
        if "memory" not in str(failure).lower() and not isinstance(failure, MemoryError):
            raise
        sys.exit(OUT_OF_MEMORY)


if __name__ == "__main__":
    main()
