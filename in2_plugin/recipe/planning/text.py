"""Format a plan as lines of text or as JSON, for `in2 recipes plan`."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from in2_plugin.preflight.costs import GIB
from in2_plugin.preflight.estimate import MFU
from in2_plugin.recipe.planning.plan import PAPER_MFU, Machines, RecipePlan, RunPlan
from in2_plugin.recipe.planning.question_cost import QuestionCost

COLUMNS = ("GPUs", "accum.", "batch", "GiB/GPU", "host GB", "days", "paper pace", "GPU-days")
WIDTHS = (6, 6, 6, 10, 8, 8, 11, 15)


def plan_lines(plan: RecipePlan) -> Iterator[str]:
    """Yield the lines of the whole plan."""
    yield f"{plan.recipe.name}: {plan.recipe.title}"
    if plan.questions:
        yield line("questions", _questions(plan.questions))
    for run in plan.runs:
        yield ""
        yield from _run(run)
    if not any(run.machines for run in plan.runs):
        return
    yield ""
    yield (
        f"days: at {MFU:.0%} of the peak; paper pace: at {PAPER_MFU:.0%}, from the paper's 300 GPU-days. "
        "Formulas: docs/recipes.md. Computed, not measured on GPUs."
    )


def line(name: str, text: str) -> str:
    """Return a line with a name and its figures."""
    return f"{name:<17} {text}"


def _questions(cost: QuestionCost) -> str:
    if not cost.calls:
        text = "no model calls" if cost.questions else "none"
        return f"{cost.questions:,}, {text}"
    written, judged = cost.writer, cost.judge
    tokens = count(written.input_tokens + judged.input_tokens), count(written.output_tokens + judged.output_tokens)
    money = "no prices in build.yml" if cost.money is None else f"about {cost.money:,.0f} {cost.currency}"
    return f"{cost.questions:,}: {cost.calls:,} calls, {tokens[0]} tokens in, {tokens[1]} out, {money}"


def _run(run: RunPlan) -> Iterator[str]:
    shape, facts = run.model.shape, run.facts
    yield line(run.file.path.name, f"{run.model.name}: {count(shape.parameters)} parameters ({run.model.source})")
    how = "counted" if facts.is_in2 else "planned from build.yml"
    lengths = f"{int(facts.lengths.min()):,} to {facts.longest:,} tokens, {float(facts.lengths.mean()):,.0f} on average"
    yield line("examples", f"{run.examples:,} of {lengths} ({how})")
    tokens = f", {count(run.tokens)} tokens" if run.machines else ""
    yield line("training", f"{run.steps:,} steps{tokens}; {_setup(run)}")
    disk = run.disk
    parts = {"base model": disk.base_model, "checkpoints": disk.checkpoints, "final model": disk.trained_model,
             "examples": disk.examples}  # fmt: skip
    text = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in parts.items())
    yield line("disk", f"{disk.total / 1e9:,.0f} GB ({text}), plus 6 to 8 bytes per corpus token")
    yield line("GPU", f"{run.gpu.name}: {run.gpu.memory / GIB:.0f} GiB, {run.gpu.tflops:g} TFLOP/s (data sheet)")
    if not run.machines:
        yield line("time and memory", "not estimated: most of the time of such a run goes into generation")
        return
    yield " ".join(f"{name:>{width}}" for name, width in zip(COLUMNS, WIDTHS, strict=True))
    for machines in run.machines:
        yield _row(machines, run)


def _row(one: Machines, run: RunPlan) -> str:
    if not one.accumulation:
        batch = run.file.launch.batch if run.file.launch else one.batch
        return f"{one.gpus:>6} a step of {batch} examples cannot be divided evenly"
    days, slow = one.days, one.days_at_the_papers_pace
    need = one.memory.total
    fits = "" if need <= run.gpu.memory else "  out of memory"
    spread = f"{days * one.gpus:.3g} to {slow * one.gpus:.3g}"
    values = (one.gpus, one.accumulation, one.batch, f"{need / GIB:.1f}", f"{one.host / 1e9:.0f}", f"{days:.3g}",
              f"{slow:.3g}", spread)  # fmt: skip
    return " ".join(f"{value:>{width}}" for value, width in zip(values, WIDTHS, strict=True)) + fits


def _setup(run: RunPlan) -> str:
    gpus = run.machines[0].gpus if run.machines else run.file.launch.gpus if run.file.launch else 1
    setup = run.file.setup(gpus, run.model.shape)
    stage = 3 if setup.shard_weights else 2 if setup.shard_gradients else 1 if setup.shard_optimizer else 0
    parts = [("not sharded", "optimizer sharded", "gradients sharded", "fully sharded")[stage]]
    off = {"optimizer": setup.offload_optimizer, "weights": setup.offload_weights,
           "activations": setup.offload_activations}  # fmt: skip
    parts += [f"{name} offloaded" for name, is_off in off.items() if is_off]
    if setup.trained:
        parts.append(f"{count(setup.trained)} adapter weights")
    return ", ".join(parts)


def count(number: float) -> str:
    """Return a number with three digits and a unit letter."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:,.0f}"


def as_json(plan: RecipePlan) -> dict[str, Any]:
    """Return the figures of a plan: bytes, seconds, tokens, money."""
    return {
        "recipe": plan.recipe.name,
        "questions": _questions_json(plan.questions) if plan.questions else None,
        "runs": [_run_json(run) for run in plan.runs],
    }


def _questions_json(cost: QuestionCost) -> dict[str, Any]:
    return {**asdict(cost), "calls": cost.calls}


def _run_json(run: RunPlan) -> dict[str, Any]:
    machines = [
        {**asdict(one), "memory": {**asdict(one.memory), "total": one.memory.total},
         "days_at_the_papers_pace": one.days_at_the_papers_pace}
        for one in run.machines
    ]  # fmt: skip
    return {
        "file": run.file.path.name,
        "base_model": run.model.name,
        "parameters": run.model.shape.parameters,
        "gpu": run.gpu.name,
        "examples": run.examples,
        "steps": run.steps,
        "tokens": run.tokens if run.machines else None,
        "mfu": MFU,
        "disk": asdict(run.disk),
        "machines": machines,
    }
