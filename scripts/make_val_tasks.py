"""Write the YAML files of the lm_eval tasks: `python scripts/make_val_tasks.py [FOLDER]`.

lm_eval wants one file for every task and every metric of it by name; forty tasks with up to twenty metrics are not
kept in step by hand. A test compares the folder with what this writes. The default folder is the package's own.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from in2_plugin.probing.probes.kinds import KINDS
from in2_plugin.probing.probes.matrix import MATRIX
from in2_plugin.probing.probes.options import NEW_TOKENS, ProbeOptions

FOLDER = Path(__file__).parents[1] / "lm_eval_tasks/val_probe"
VERSION = 1.1
LENGTHS = (4, 8, 16, 32, 64, 128)
"""In units of 1,024 tokens."""
STATED = ("probe_length", "probe_sets", "probe_seed", "probe_template")
"""Defaults that every results file is to say."""

BASE = f"""\
# What all tasks share. This name has no .yaml ending, so that lm_eval does not take it for a task.
output_type: generate_until
test_split: test
num_fewshot: 0
target_delimiter: ""
doc_to_text: !function utils.doc_to_text
doc_to_target: !function utils.doc_to_target
process_results: !function utils.process_results
generation_kwargs: {{do_sample: false, temperature: 0.0, max_gen_toks: {NEW_TOKENS}, until: []}}
"""


def files() -> dict[str, str]:
    """All files by name."""
    found = {"_val_probe_yaml": BASE}
    for spans in sorted({kind.spans for kind in (*KINDS.values(), *MATRIX.values())}):
        found[f"_{spans}_spans_yaml"] = "include: _val_probe_yaml\n" + metrics(spans)
        found[f"_{spans}_spans_paper_yaml"] = "include: _val_probe_yaml\n" + metrics(spans, ("avg_paper", "gap_paper"))
    found.update(family("val_probe", list(KINDS), loader="load_{}", tag=True))
    for length in LENGTHS:
        named = {"probe_length": 1_024 * length, "probe_task_length": 1_024 * length}
        found.update(family("val_probe", list(KINDS), loader="load_{}", suffix=f"_{length}k", **named))
    found.update(family("val_probe_closed_book", list(KINDS), loader="load_{}", probe_closed_book=True))
    found.update(family("val_probe_matrix", [name.removeprefix("matrix_") for name in MATRIX], loader="load_matrix_{}"))
    found.update(paper())
    return found


def metrics(spans: int, more: tuple[str, ...] = ()) -> str:
    """The metric list of a probe with so many spans."""
    rows = [("acc", "mean", True), ("avg", "aggregate_avg", True), ("gap", "aggregate_gap", False)]
    rows += [(name, f"aggregate_{name}", name.startswith("avg")) for name in more]
    rows += [(f"span_{span:02d}", "aggregate_span", True) for span in range(spans)]
    rows += [("echo", "mean", True), ("other", "mean", True), ("scores_stderr", "aggregate_scores", True)]
    return "metric_list:\n" + "".join(
        f"  - {{metric: {name}, aggregation: {how if how == 'mean' else f'!function utils.{how}'}, "
        f"higher_is_better: {str(better).lower()}}}\n"
        for name, how, better in rows
    )


def family(
    group: str, names: list[str], loader: str, suffix: str = "", tag: bool = False, **options: object
) -> Iterator[tuple[str, str]]:
    """A group and its tasks."""
    stated = {key: ProbeOptions.model_fields[key].default for key in STATED} | options
    tasks = {f"{group}_{name}{suffix}": name for name in names}
    for task, name in tasks.items():
        kind = KINDS.get(name) or MATRIX[f"matrix_{name}"]
        yield f"{task}.yaml", _task(task, f"_{kind.spans}_spans_yaml", loader.format(name), stated, tag)
    yield f"{group}{suffix}.yaml", _group(group + suffix, list(tasks), ("avg", "gap"))


def paper() -> Iterator[tuple[str, str]]:
    """The group of the authors' own data."""
    tasks = {f"val_probe_paper_{name}": kind for name, kind in KINDS.items()}
    for task, kind in tasks.items():
        base = f"_{kind.spans}_spans_paper_yaml"
        yield f"{task}.yaml", _task(task, base, f"load_paper_{kind.name}", {"probe_template": "film"}, tag=False)
    yield "val_probe_paper.yaml", _group("val_probe_paper", list(tasks), ("avg", "gap", "avg_paper", "gap_paper"))


def _task(name: str, base: str, loader: str, options: dict[str, object], tag: bool) -> str:
    said = ", ".join(f"{key}: {str(value).lower()}" for key, value in {"version": VERSION, **options}.items())
    return (
        f"task: {name}\ninclude: {base}\n"
        + ("tag: [in2_long_context]\n" if tag else "")
        + f"custom_dataset: !function utils.{loader}\n"
        + "# the defaults of in2_plugin.probing.probes.options, repeated in every results file; --metadata overrides\n"
        + f"metadata: {{{said}}}\n"
    )


def _group(name: str, tasks: list[str], means: tuple[str, ...]) -> str:
    listed = "".join(f"  - {task}\n" for task in tasks)
    rows = "".join(
        f"  - {{metric: {metric}, aggregation: mean, weight_by_size: false, filter_list: none}}\n" for metric in means
    )
    return (
        f"group: {name}\ntask:\n{listed}"
        "# all options said: lm_eval 0.4.11 and 0.4.13 have different defaults\n"
        f"aggregate_metric_list:\n{rows}metadata: {{version: {VERSION}}}\n"
    )


def write(folder: Path) -> None:
    """Write the files and remove YAML files of before."""
    for old in (*folder.glob("*.yaml"), *folder.glob("_*_yaml")):
        old.unlink()
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
