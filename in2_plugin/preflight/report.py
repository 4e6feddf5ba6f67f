"""The report of a preflight: figures and findings, as values, text and JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from in2_plugin.preflight.costs import GIB, Memory
from in2_plugin.preflight.dataset_summary import DatasetSummary
from in2_plugin.preflight.estimate import RunEstimate
from in2_plugin.preflight.findings import Case, ConfigFinding
from in2_plugin.preflight.prompts.report import PromptReport
from in2_plugin.preflight.teacher.cost import TeacherCost

MARKS = {"error": "ERROR", "warning": "warning", "note": "note"}
COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """The result of one preflight."""

    file: str
    case: Case
    run: RunEstimate | None
    findings: Sequence[ConfigFinding]
    teacher: TeacherCost | None = None
    """None without a distillation, or without its teacher."""

    @property
    def errors(self) -> list[ConfigFinding]:
        """Return the findings that should stop the run."""
        return [finding for finding in self.findings if finding.level == "error"]

    def as_json(self) -> dict[str, Any]:
        """Return one JSON object, with bytes, seconds and tokens as plain numbers."""
        case = self.case
        shape = {part.name: getattr(case.model.shape, part.name) for part in fields(case.model.shape)}
        return {
            "file": self.file,
            "ok": not self.errors,
            "model": {"name": case.model.name, **shape, "adapter_parameters": case.model.adapter},
            "gpu": {"name": case.gpu.name, "memory": case.gpu.memory, "tflops": case.gpu.tflops},
            "setup": {part.name: getattr(case.setup, part.name) for part in fields(case.setup)},
            "datasets": [dataset.as_json() for dataset in case.datasets],
            "memory": {**_parts(case.memory), "total": case.memory.total},
            "run": self.run.as_json() if self.run else None,
            "teacher": self.teacher.as_json() if self.teacher else None,
            "findings": [finding.as_json() for finding in self.findings],
        }

    def lines(self) -> list[str]:
        """Return the figures as text for the training log, one per line, without findings."""
        return [f"{name}: {figure}" for name, figure in self.rows()]

    def rows(self) -> list[tuple[str, str]]:
        """Return (name, figure) for every line of the table."""
        rows = [("model", _model(self.case)), ("setup", _setup(self.case))]
        rows += [("dataset", _dataset(dataset)) for dataset in self.case.datasets]
        if self.teacher:
            rows.append(("teacher", _teacher(self.teacher, self.run)))
        if self.run:
            rows += _run(self.run, self.case)
        return [*rows, ("memory" if self.case.gpu.is_cpu else "memory/GPU", _memory(self.case))]


def _parts(memory: Memory) -> dict[str, float]:
    return {part.name: getattr(memory, part.name) for part in fields(memory)}


def _count(number: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "K")):
        if number >= size:
            return f"{number / (1e3 if letter == 'K' else size):.{2 if letter in 'BT' else 1}f}{letter}"
    return f"{number:,.0f}"


def _model(case: Case) -> str:
    shape = case.model.shape
    text = f"{case.model.name}: {_count(shape.parameters)} weights, {shape.layers} layers of {shape.hidden:,}"
    if case.model.adapter:
        text += f", {_count(case.model.adapter)} trained in adapters"
    return f"{text}, vocabulary {shape.vocabulary:,}"


def _setup(case: Case) -> str:
    setup = case.setup
    stage = 3 if setup.shard_weights else 2 if setup.shard_gradients else 1 if setup.shard_optimizer else 0
    parts = [
        _devices(case),
        f"micro-batch {setup.micro_batch} x accumulation {setup.accumulation} x {setup.replicas} ranks",
        ("nothing sharded", "optimizer sharded", "gradients sharded", "all sharded")[stage],
        "checkpointing" if setup.checkpointing else "no checkpointing",
        {"all": "all logits", "answers": "logits at answers", "fused": "fused loss"}[setup.logits],
    ]
    parts += [f"{name} offloaded" for name, is_off in _offloaded(case).items() if is_off]
    return ", ".join(parts)


def _devices(case: Case) -> str:
    return "the CPU of this machine" if case.gpu.is_cpu else f"{case.setup.gpus} x {case.gpu.name}"


def _offloaded(case: Case) -> dict[str, bool]:
    setup = case.setup
    return {
        "optimizer": setup.offload_optimizer,
        "weights": setup.offload_weights,
        "activations": setup.offload_activations,
    }


def _dataset(dataset: DatasetSummary) -> str:
    if not dataset.looked_at:
        return f"{dataset.path}: not checked: {dataset.seen}"
    seen = f"{dataset.looked_at:,} examples" if dataset.is_in2 else f"checked {dataset.seen}"
    counts = {"dropped": dataset.dropped, "too long": dataset.refused, "truncated": dataset.cut,
              "losing answer tokens": dataset.losing, "without answer tokens": dataset.unlabelled}  # fmt: skip
    lost = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n) or "nothing lost"
    return (
        f"{dataset.path}: {seen}; {_count(dataset.lengths.sum())} tokens, {_count(dataset.answers.sum())} of them "
        f"answers, longest {dataset.longest:,}; {lost}"
    )


def _teacher(teacher: TeacherCost, run: RunEstimate | None) -> str:
    if not teacher.gold_tokens:
        return f"{teacher.who}, which takes no time"
    share = f", {teacher.seconds / run.seconds:.1%} of the time" if run and teacher.seconds else ""
    return f"{teacher.who}: {_count(teacher.gold_tokens)} tokens per epoch{share}"


def _run(run: RunEstimate, case: Case) -> list[tuple[str, str]]:
    order = "length-balanced" if run.balanced else "random"
    gpus = f"{_devices(case)} at {run.mfu:.0%} of {case.gpu.tflops:g} TFLOP/s"
    return [
        ("steps", f"{run.steps:,} of {run.rows_per_step:,} rows, {run.examples:,} examples x {run.epochs:g} epochs"),
        ("tokens/step", f"{run.tokens_per_step:,.0f}, {run.answer_tokens_per_step:,.0f} of them answers"),
        ("ranks busy", f"{run.efficiency:.0%} of the time ({order} order)"),
        ("time", f"about {_duration(run.seconds)} on {gpus}"),
    ]


def _duration(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds" if seconds >= 1 else "a second"


def _memory(case: Case) -> str:
    parts = ", ".join(f"{name} {size / GIB:.1f}" for name, size in _parts(case.memory).items() if size)
    return f"about {case.memory.total / GIB:.1f} of {case.gpu.memory / GIB:.0f} GiB ({parts})"


def show(report: PreflightReport | PromptReport) -> None:
    """Print to stdout: a table in a terminal, one unbroken line per figure otherwise."""
    import sys

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold" if terminal else None)
    table.add_column(overflow="fold")
    for name, figure in report.rows():
        table.add_row(name, Text(figure))
    # lines are not wrapped unless the output is a terminal
    console = Console(file=sys.stdout, width=None if terminal else 4_000, soft_wrap=True)
    console.print(table) if terminal else _plain(report)
    for finding in report.findings:
        mark = Text(f"{MARKS[finding.level]}: ", COLOURS[finding.level])
        console.print(mark + Text(f"{finding.where}: {finding.what}; {finding.remedy}"))


def _plain(report: PreflightReport | PromptReport) -> None:
    for name, figure in report.rows():
        print(f"{name:<14}{figure}")


def to_json(report: PreflightReport | PromptReport) -> str:
    """Return the report as one indented JSON object."""
    return json.dumps(report.as_json(), indent=2, ensure_ascii=False)
