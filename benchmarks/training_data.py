"""Measure the cost of training data: speed, disk, memory, start of training, and waiting for other ranks.

    python benchmarks/training_data.py                  # the tables of docs/benchmarks.md
    python benchmarks/training_data.py --only speed disk --examples 50

The same examples, built from the bundled corpus with Mistral's vocabulary, go through Axolotl's `chat_template` and
`input_output`, TRL's prompt-completion, and this package, each in one process with one worker. Datasets with hundreds
of thousands of planned examples repeat the plans of a small dataset. The times of the other tools are measured inside
their own programs, without imports.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measured import ENVIRONMENT, ROOT, heading, in_own_process, tabulate
from training_data_made import EXPORTS, axolotl_file, build, export, repeated, size_of

SECTIONS = ("speed", "disk", "memory", "start", "order")
JOBS = str(Path(__file__).with_name("training_data_jobs.py"))
FORMATS = {
    "messages": ("Axolotl `chat_template`", {"type": "chat_template", "roles_to_train": ["assistant"]}),
    "axolotl": ("Axolotl `input_output`", {"type": "input_output"}),
    "prompt-completion": ("TRL prompt-completion", {}),
}
SIMULATED = 100_000


def prepared_by_others(folder: Path, model: Path, dataset: Path) -> dict[str, dict[str, Any]]:
    """Return by format: seconds (wall clock, processor), ids, bytes written by the preparation, bytes read."""
    found = {}
    for form in EXPORTS:
        source = export(dataset, form)
        cache = {"HF_DATASETS_CACHE": str(folder / f"{form}-cache")}  # an empty cache, so that nothing is prepared yet
        if form == "prompt-completion":
            job = {"kind": "trl", "model": str(model), "dataset": str(source)}
            found[form] = in_own_process(JOBS, job, **cache)
        else:
            entry = {"path": str(source), **FORMATS[form][1]}
            file = axolotl_file(folder, form, model, entry)
            found[form] = in_own_process(JOBS, {"kind": "axolotl", "file": str(file)}, **cache)
            found[form]["bytes"] = size_of(folder / f"{form}-prepared")
        found[form]["source"] = size_of(source)
    return found


def print_speed(ours: dict[str, Any], others: dict[str, dict[str, Any]]) -> None:
    """Print milliseconds per example, and the speedup of this package."""
    n = len(ours["digests"])
    print(f"\n{n:,} examples of {ours['tokens'] / n:,.0f} tokens on average. For the other tools, the first figure "
          "is tokenization alone, the second the whole preparation; wall clock (processor time).")  # fmt: skip
    row = tabulate("from | ms an example | examples/s | the whole, ms an example | in2 is faster by | same ids")
    item = ours["item"]
    for form, found in others.items():
        tokenizing, whole = (np.array(found[part]) / n for part in ("tokenizing", "whole"))
        same = len(set(found["digests"]) & set(ours["digests"]))
        row(FORMATS[form][0], _milliseconds(tokenizing), f"{1 / tokenizing[0]:,.0f}", _milliseconds(whole),
            f"{min(tokenizing) / item:,.0f} times", f"{same} of {n}")  # fmt: skip
    opened = f"{1e3 * item:.3f} and {ours['opening'][0]:.2f} s to open, once"
    row("in2, an item of `LazyExamples`", f"{1e3 * item:.3f}", f"{1 / item:,.0f}", opened, "-", f"{n} of {n}")
    for name, what in (("assemble", "in2, ids and labels"), ("copy", "the limit: one copy of the ids")):
        row(what, f"{1e3 * ours[name]:.3f}", f"{1 / ours[name]:,.0f}", "-", "-", "-")
    shares = [ours["copy"] / seconds for seconds in (item, ours["assemble"])]
    print(f"\nShare of the limit: {shares[0]:.2f} (an item), {shares[1]:.2f} (ids and labels).")


def _milliseconds(seconds: Any) -> str:
    return f"{1e3 * seconds[0]:.1f} ({1e3 * seconds[1]:.1f})"


def print_disk(dataset: Path, examples: int, others: dict[str, dict[str, Any]]) -> None:
    """Print bytes per example: of the prepared data, and of the prepared data with its source."""
    row = tabulate("from | prepared, bytes an example | in2 takes 1 / | with its source | of both in2 takes 1 /")
    plans, corpus = size_of(dataset / "plans") / examples, size_of(dataset / "segments")
    whole = (size_of(dataset) - corpus) / examples
    for form, found in others.items():
        prepared, both = found["bytes"] / examples, (found["bytes"] + found["source"]) / examples
        row(FORMATS[form][0], f"{prepared:,.0f}", f"{prepared / plans:,.0f}", f"{both:,.0f}", f"{both / whole:,.0f}")
    row("in2", f"{plans:,.0f}", "-", f"{whole:,.0f}", "-")
    print(f"\nThe source of the other tools is their export; in2's is its dataset folder. Its corpus of "
          f"{corpus / 1e6:,.1f} MB is added once, whatever the number of examples.")  # fmt: skip


def print_memory(folder: Path, model: Path, dataset: Path, counts: list[int]) -> None:
    """Print the memory and time to open, order and draw, by number of examples."""
    row = tabulate("planned examples | plans, MB | peak, MB | of it own, MB | first example, s | each further, ms")
    for n in counts:
        planned = repeated(dataset, folder / f"planned-{n}", n)
        f = in_own_process(JOBS, {"kind": "memory", "model": str(model), "dataset": str(planned)})
        row(f"{f['examples']:,}", f"{size_of(planned / 'plans') / 1e6:,.1f}", f"{f['peak'] / 1e6:.0f}",
            f"{f['own'] / 1e6:.0f}", f"{f['first']:.2f}", f"{1e3 * f['each']:.3f}")  # fmt: skip


def print_start(folder: Path, model: Path, dataset: Path, counts: list[int], times: int) -> None:
    """Print seconds from the command to the first step, by number of examples; the fastest of interleaved runs."""
    files = {n: _start_file(folder, model, repeated(dataset, folder / f"start-{n}", n)) for n in counts}
    took = {n: [] for n in counts}
    for _ in range(times):
        for n, file in files.items():
            took[n].append(seconds_to_first_step(file))
    row = tabulate("planned examples | command to first step, s | more than with the fewest, s | all runs")
    for n, seconds in took.items():
        more = min(seconds) - min(took[counts[0]])
        row(f"{n:,}", f"{min(seconds):.1f}", f"{more:+.1f}", ", ".join(f"{one:.1f}" for one in seconds))


def _start_file(folder: Path, model: Path, planned: Path) -> Path:
    entry = {"path": str(planned), "type": "in2"}
    return axolotl_file(folder, planned.name, model, entry, plugins=["in2_plugin.axolotl.IN2Plugin"])


def seconds_to_first_step(file: Path) -> float:
    """Run `axolotl train` and return the seconds until it logs the loss of its first step."""
    command = ["axolotl", "train", file, "--launcher", "python"]
    started, output, first = time.perf_counter(), [], None
    with subprocess.Popen(
        command, cwd=file.parent, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout
        for line in process.stdout:
            output.append(line)
            if first is None and ("'loss':" in line or '"loss":' in line):
                first = time.perf_counter() - started
    if process.returncode or first is None:
        sys.exit(f"{file}: training failed\n{''.join(output)[-4_000:]}")
    return first


def print_order(examples: int, longest: int) -> None:
    """Print the efficiency: the share of the time that ranks compute and do not wait for the slowest of a step."""
    from in2_plugin.training.length_balance import balanced_order, efficiency

    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    job = {"kind": "order", "examples": examples, "longest": longest}
    found = in_own_process(JOBS, job, launcher, OMP_NUM_THREADS="1")
    row = tabulate("ranks | | in random order | length-balanced")
    measured = f"2, {found['steps']} steps on the CPU"
    for name, what, form in (
        ("clock", "seconds a step", ".3f"), ("slowest", "processor seconds of its slowest rank", ".3f"),
        ("share", "efficiency, measured", ".1%"),
        ("expected", "efficiency, expected", ".1%"),
    ):  # fmt: skip
        row(measured, what, *(f"{found[order][name]:{form}}" for order in ("random", "balanced")))
    lengths = np.random.default_rng(0).integers(4_096, 32_768, SIMULATED, endpoint=True)
    shuffled = np.random.default_rng(1).permutation(SIMULATED)
    for ranks in (2, 16, 128):
        balanced = balanced_order(lengths, ranks=ranks, micro_batch=1, seed=0, epoch=0)
        shares = [efficiency(lengths, order, ranks=ranks, micro_batch=1) for order in (shuffled, balanced)]
        row(f"{ranks}, simulated, 7B", "efficiency", *(f"{share:.1%}" for share in shares))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument(
        "--tokens", type=int, default=16_384, help="tokens of the longest example; the shortest has 9/10 of it"
    )
    parser.add_argument("--planned", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=SECTIONS)
    parser.add_argument("--quick", action="store_true", help="use few and short examples, as a smoke test")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    examples, tokens, planned, steps, times = arguments.examples, arguments.tokens, arguments.planned, (128, 4_096), 3
    if arguments.quick:
        examples, tokens, planned, steps, times = 8, 1_024, [100, 300], (8, 256), 1
    print(heading())
    asked = set(arguments.only)
    with tempfile.TemporaryDirectory() as temporary:
        folder, model = Path(temporary), Path(temporary) / "model"
        if asked - {"order"}:
            in_own_process(JOBS, {"kind": "model", "model": str(model), "window": tokens})
        if asked & {"speed", "disk", "memory"}:
            dataset = build(folder / "in2", model, examples=examples, tokens=tokens, segment_tokens=128)
        if asked & {"speed", "disk"}:
            others = prepared_by_others(folder, model, dataset)
        if "speed" in asked:
            ours = in_own_process(JOBS, {"kind": "in2", "model": str(model), "dataset": str(dataset)})
            print_speed(ours, others)
        if "disk" in asked:
            print_disk(dataset, examples, others)
        if "memory" in asked:
            print_memory(folder, model, dataset, planned)
        if "start" in asked:
            short = build(folder / "short", model, examples=min(examples, 64), tokens=512, segment_tokens=32)
            print_start(folder, model, short, [planned[0], planned[-1]], times)
        if "order" in asked:
            print_order(*steps)


if __name__ == "__main__":
    main()
