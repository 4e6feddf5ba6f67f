"""Generate the YAML files of the lm_eval tasks from the registry of probes.

lm_eval wants one file per task, with every metric by name; forty tasks with up to twenty metrics cannot be kept in step
by hand. `scripts/make_val_tasks.py` writes those of the package, and a test compares them. `write_probe_tasks` writes
those of one probe into any folder, for packages that register their own.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from in2_plugin.io.resources import packaged_folder
from in2_plugin.probing.lm_eval.position_files import metric_line, position_package_files, position_probe_files
from in2_plugin.probing.position.probe import PositionProbe
from in2_plugin.probing.probes.matrix import MATRIX
from in2_plugin.probing.probes.options import NEW_TOKENS, ProbeOptions
from in2_plugin.probing.probes.probe import Probe

VERSION = 1.2
LENGTHS = (4, 8, 16, 32, 64, 128)
"""In units of 1,024 tokens."""
STATED = ("probe_length", "probe_sets", "probe_seed", "probe_template")
"""Defaults that every results file contains."""
PAPER_METRICS = ("avg_paper", "gap_paper")
MEANS = ("dip", "avg", "gap")
"""Metrics of which a group has the mean."""

BASE = f"""\
# Shared by all tasks. The name has no .yaml extension, so that lm_eval does not take this file for a task.
output_type: generate_until
test_split: test
num_fewshot: 0
target_delimiter: ""
doc_to_text: !function utils.doc_to_text
doc_to_target: !function utils.doc_to_target
process_results: !function utils.process_results
generation_kwargs: {{do_sample: false, temperature: 0.0, max_gen_toks: {NEW_TOKENS}, until: []}}
"""


def package_files(probes: Sequence[Probe]) -> dict[str, str]:
    """Return the content of all YAML files of the package by name; groups hold the paper's probes."""
    found: dict[str, str] = {}
    for probe in probes:
        found.update(probe_files(probe))
    found.update(_tasks(MATRIX.values()))
    found.update(_shared(list(MATRIX.values())))
    paper = [probe for probe in probes if probe.paper]
    for suffix in ("", *(f"_{length}k" for length in LENGTHS)):
        found[f"val_probe{suffix}.yaml"] = _group(f"val_probe{suffix}", [probe.task + suffix for probe in paper])
    found.update(_family_group("val_probe_closed_book", [probe.name for probe in paper]))
    found.update(_family_group("val_probe_matrix", [name.removeprefix("matrix_") for name in MATRIX]))
    found.update(_family_group("val_probe_paper", [probe.name for probe in paper], (*MEANS, *PAPER_METRICS)))
    return found


def probe_files(probe: Probe) -> dict[str, str]:
    """Return the content of the YAML files of one probe by name."""
    found = {**_shared([probe]), **dict(_tasks([probe], tagged=True))}
    for length in LENGTHS:
        tokens = 1_024 * length
        found.update(_tasks([probe], suffix=f"_{length}k", probe_length=tokens, probe_task_length=tokens))
    found.update(_tasks([probe], family="closed_book_", probe_closed_book=True))
    if probe.paper:
        task = f"val_probe_paper_{probe.name}"
        options: dict[str, object] = {"probe_template": "film"}
        base = f"_{probe.spans}_spans_paper_yaml"
        found[f"{task}.yaml"] = _task(task, base, f"load_paper_{probe.name}", options, tagged=False)
    return found


def write_probe_tasks(probe: Probe | PositionProbe, folder: Path) -> None:
    """Write the tasks of one probe, and the functions that they name, into `folder` for lm_eval's `--include_path`.

    The probe must be registered when lm_eval loads the tasks: as an entry point of `in2_plugin.probes`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    is_position = isinstance(probe, PositionProbe)
    _write(folder, position_probe_files(probe) if isinstance(probe, PositionProbe) else probe_files(probe))
    functions = packaged_folder("lm_eval_tasks") / ("position" if is_position else "val_probe") / "utils.py"
    (folder / functions.name).write_bytes(functions.read_bytes())


def write_package_tasks(folder: Path, probes: Sequence[Probe], position_probes: Iterable[PositionProbe]) -> None:
    """Write all YAML files of the package into `val_probe` and `position` below `folder` and delete old ones."""
    for name, files in (("val_probe", package_files(probes)), ("position", position_package_files(position_probes))):
        of_kind = folder / name
        of_kind.mkdir(parents=True, exist_ok=True)
        for old in (*of_kind.glob("*.yaml"), *of_kind.glob("_*_yaml")):
            old.unlink()
        _write(of_kind, files)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _shared(probes: Sequence[Probe]) -> dict[str, str]:
    """Return the files that tasks include: one for all, and one per number of spans."""
    found = {"_val_probe_yaml": BASE}
    for spans in {probe.spans for probe in probes}:
        found[f"_{spans}_spans_yaml"] = "include: _val_probe_yaml\n" + _metrics(spans)
    for spans in {probe.spans for probe in probes if probe.paper}:
        found[f"_{spans}_spans_paper_yaml"] = "include: _val_probe_yaml\n" + _metrics(spans, PAPER_METRICS)
    return found


def _metrics(spans: int, more: Iterable[str] = ()) -> str:
    """Return the metric list of a probe with this number of spans."""
    rows = [("acc", "mean", True)]
    rows += [(name, f"aggregate_{name}", name == "avg") for name in MEANS]
    rows += [(name, f"aggregate_{name}", name.startswith("avg")) for name in more]
    rows += [(f"span_{span:02d}", "aggregate_span", True) for span in range(spans)]
    rows += [("echo", "mean", True), ("other", "mean", True), ("unfinished_thoughts", "aggregate_unfinished", False)]
    rows += [("scores_stderr", "aggregate_scores", True)]
    return "metric_list:\n" + "".join(metric_line(*row) for row in rows)


def _tasks(
    probes: Iterable[Probe], family: str = "", suffix: str = "", tagged: bool = False, **options: object
) -> Iterator[tuple[str, str]]:
    """Yield name and content of the file of each probe's task."""
    stated = {key: ProbeOptions.model_fields[key].default for key in STATED} | options
    for probe in probes:
        task = f"val_probe_{family}{probe.name}{suffix}"
        in_tag = tagged and probe.paper is not None
        yield f"{task}.yaml", _task(task, f"_{probe.spans}_spans_yaml", f"load_{probe.name}", stated, in_tag)


def _task(name: str, base: str, loader: str, options: dict[str, object], tagged: bool) -> str:
    metadata = ", ".join(f"{key}: {str(value).lower()}" for key, value in {"version": VERSION, **options}.items())
    return (
        f"task: {name}\ninclude: {base}\n"
        + ("tag: [in2_long_context]\n" if tagged else "")
        + f"custom_dataset: !function utils.{loader}\n"
        + "# defaults of in2_plugin.probing.probes.options, repeated for the results file; --metadata overrides them\n"
        + f"metadata: {{{metadata}}}\n"
    )


def _family_group(group: str, names: Iterable[str], means: Sequence[str] = MEANS) -> dict[str, str]:
    return {f"{group}.yaml": _group(group, [f"{group}_{name}" for name in names], means)}


def _group(name: str, tasks: Iterable[str], means: Sequence[str] = MEANS) -> str:
    listed = "".join(f"  - {task}\n" for task in tasks)
    rows = "".join(
        f"  - {{metric: {metric}, aggregation: mean, weight_by_size: false, filter_list: none}}\n" for metric in means
    )
    return (
        f"group: {name}\ntask:\n{listed}"
        "# all options are explicit: lm_eval 0.4.11 and 0.4.13 have different defaults\n"
        f"aggregate_metric_list:\n{rows}metadata: {{version: {VERSION}}}\n"
    )
