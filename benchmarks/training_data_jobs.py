"""The measurements of benchmarks/training_data.py, each in its own process: `python training_data_jobs.py --job JSON`.

The last line of output is the result. The preparation by other tools is timed inside their own programs: the whole
preparation, and the tokenization alone.
"""

import argparse
import contextlib
import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from measured import forget_peak, held, used
from training_data_made import make_model

from in2_plugin.training.length_balance import BalancedSampler, Work, balanced_order, efficiency

ROUNDS = 15
DRAWN = 500


def make(model: str, window: int) -> None:
    """Write the model and its tokenizer."""
    make_model(Path(model), window)


def digests(rows: Any) -> list[str]:
    """Return a digest of the token ids of each row, to compare preparations."""
    return [hashlib.sha256(np.asarray(row["input_ids"], np.int64).tobytes()).hexdigest()[:16] for row in rows]


class Timer:
    """Wall-clock and processor seconds spent in a block or in a method."""

    def __init__(self) -> None:
        self.spent = np.zeros(2)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Time the block."""
        before = np.array(used())
        yield
        self.spent += np.array(used()) - before

    def watch(self, owner: type, name: str) -> "Timer":
        """Time every call of a method from now on."""
        method = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            with self.running():
                return method(*arguments, **named)

        setattr(owner, name, timed)
        return self


def prepare_with_axolotl(file: str) -> dict[str, Any]:
    """Time `axolotl preprocess` after its imports and after reading the config."""
    from axolotl.cli.config import load_cfg
    from axolotl.common.datasets import load_datasets
    from axolotl.datasets import TokenizedPromptDataset

    cfg, tokenizing, whole = load_cfg(file), Timer().watch(TokenizedPromptDataset, "process"), Timer()
    with whole.running():
        dataset = load_datasets(cfg=cfg).train_dataset
    return {"tokenizing": list(tokenizing.spent), "whole": list(whole.spent), "digests": digests(dataset)}


def prepare_with_trl(model: str, dataset: str) -> dict[str, Any]:
    """Time the construction of an SFTTrainer, which prepares its dataset, with a loaded model."""
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    rows = load_dataset(dataset, split="train")
    config = SFTConfig(f"{dataset}-out", max_length=None, use_cpu=True, bf16=False, report_to="none")
    given = AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    tokenizing, whole = Timer().watch(SFTTrainer, "_prepare_dataset"), Timer()
    with whole.running():
        trainer = SFTTrainer(given[0], args=config, train_dataset=rows, processing_class=given[1])
    found = trainer.train_dataset
    size = sum(Path(file["filename"]).stat().st_size for file in found.cache_files)
    return {"tokenizing": list(tokenizing.spent), "whole": list(whole.spent), "digests": digests(found), "bytes": size}


def assemble(model: str, dataset: str) -> dict[str, Any]:
    """Time lazy examples in random order: opening, a whole item, its ids and labels alone, and one copy of the ids.

    The copy is the lower limit. Each figure is the median in seconds over interleaved rounds.
    """
    from in2_plugin.corpus.tokenizer import load_tokenizer
    from in2_plugin.dataset.reader import IN2Dataset
    from in2_plugin.training.dataset import LazyExamples

    tokenizer, opening = load_tokenizer(model), Timer()
    with opening.running():
        plans = IN2Dataset(dataset, tokenizer).plans
        examples = LazyExamples([plans])
        first = examples[0]
    order = np.random.default_rng(0).permutation(len(examples)).tolist()
    ids = [examples[i]["input_ids"] for i in range(len(examples))]
    ways: dict[str, Callable[[int], Any]] = {
        "item": examples.__getitem__, "assemble": plans.assemble, "copy": lambda i: ids[i].copy(),
    }  # fmt: skip
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            for i in order:
                way(i)
            rounds[name].append((time.perf_counter() - started) / len(order))
    each = {name: statistics.median(seconds) for name, seconds in rounds.items()}
    assert len(first["input_ids"]) == len(ids[0])
    tokens = int(examples.lengths.sum())
    return {
        "opening": list(opening.spent),
        "digests": digests({"input_ids": one} for one in ids),
        "tokens": tokens,
    } | each


def draw(model: str, dataset: str) -> dict[str, float]:
    """Open a dataset, create the sampler for eight ranks and draw examples; memory excludes imports and tokenizer."""
    from in2_plugin.corpus.tokenizer import load_tokenizer
    from in2_plugin.training.dataset import LazyExamples

    tokenizer = load_tokenizer(model)
    forget_peak()
    before, own, started = held("VmRSS"), held("RssAnon"), time.perf_counter()
    examples = LazyExamples.open([dataset], tokenizer)
    numbers = iter(BalancedSampler(examples.lengths, ranks=8, micro_batch=1, seed=0))
    examples[next(numbers)]
    first = time.perf_counter() - started
    drawn = [len(examples[number]["input_ids"]) for number in islice(numbers, DRAWN - 1)]
    seconds = (time.perf_counter() - started - first) / len(drawn)
    return {"examples": len(examples), "peak": held("VmHWM") - before, "own": held("RssAnon") - own, "first": first,
            "each": seconds}  # fmt: skip


def take_steps(examples: int, longest: int) -> dict[str, Any]:
    """Take training steps on every rank of the launcher, on the CPU, alternating random and balanced order.

    Return seconds per step by wall clock and by the processor time of the slowest rank, and the efficiency: measured by
    processor time, and as predicted by `efficiency`.
    """
    import torch
    from torch import distributed
    from transformers import MistralConfig, MistralForCausalLM

    distributed.init_process_group("gloo")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = MistralForCausalLM(MistralConfig(vocab_size=1_000, num_key_value_heads=4, sliding_window=None, **shape))
    lengths = np.random.default_rng(0).integers(longest // 8, longest, examples, endpoint=True)
    orders = {
        "random": np.random.default_rng(1).permutation(examples),
        "balanced": balanced_order(lengths, ranks=ranks, micro_batch=1, seed=0, epoch=0),
    }
    take_step(model, longest)  # warm up: work at first use is not part of a step
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in orders}
    for k in range(examples // ranks):
        for name, order in orders.items():
            distributed.barrier()
            times[name].append(take_step(model, int(lengths[order[k * ranks + rank]])))
    work = Work(sum(parameter.numel() for parameter in model.parameters()), 2, 64)
    found: dict[str, Any] = {"steps": examples // ranks}
    for name, order in orders.items():
        of_ranks: list[Any] = [None] * ranks
        distributed.all_gather_object(of_ranks, times[name])
        clock, busy = np.moveaxis(np.array(of_ranks), 2, 0)  # (ranks, steps) each
        slowest = busy.max(axis=0)
        found[name] = {
            "clock": clock.max(axis=0).mean(), "slowest": slowest.mean(), "share": busy.sum() / (slowest.sum() * ranks),
            "expected": efficiency(lengths, order, ranks=ranks, micro_batch=1, work=work),
        }  # fmt: skip
    return found


def take_step(model: Any, tokens: int) -> tuple[float, float]:
    """Run forward and backward of one example and reduce the gradients over the ranks.

    Return the wall-clock seconds of all of it, and the processor seconds before the reduction.
    """
    import torch
    from torch import distributed

    from in2_plugin.training.answer_logits import keep_supervised

    ids = torch.randint(3, 1_000, (1, tokens))
    labels = torch.full_like(ids, -100)
    labels[:, -32:] = ids[:, -32:]
    clock, processor = time.perf_counter(), time.process_time()
    model.zero_grad()
    model(**keep_supervised({"input_ids": ids, "labels": labels}), use_cache=False).loss.backward()
    busy = time.process_time() - processor
    distributed.all_reduce(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    return time.perf_counter() - clock, busy


JOBS: dict[str, Callable[..., Any]] = {
    "axolotl": prepare_with_axolotl, "trl": prepare_with_trl, "in2": assemble, "memory": draw, "order": take_steps,
    "model": make,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", type=json.loads, required=True)
    job = parser.parse_args().job
    result = JOBS[job.pop("kind")](**job)
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    sys.exit(main())
