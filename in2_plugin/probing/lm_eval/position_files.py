"""Generate the YAML files of the tasks of position probes; see `task_files.py`.

A probe with controls is a group of its tasks, without a mean: context, closed book and gold alone are compared, not
averaged.
"""

import json
from collections.abc import Iterable

from in2_plugin.probing.lm_eval.loaders import position_loader
from in2_plugin.probing.position.probe import Control, PositionProbe

VERSION = 1.0
BASE = """\
# Shared by all tasks. The name has no .yaml extension, so that lm_eval does not take this file for a task.
output_type: generate_until
test_split: test
num_fewshot: 0
target_delimiter: ""
doc_to_text: !function utils.doc_to_text
doc_to_target: !function utils.doc_to_target
process_results: !function utils.process_results
"""
_CURVE = (("dip", "aggregate_dip", False), ("avg", "aggregate_avg", True))


def position_package_files(probes: Iterable[PositionProbe]) -> dict[str, str]:
    """Return the content of all YAML files of position probes by name."""
    found: dict[str, str] = {}
    for probe in probes:
        found.update(position_probe_files(probe))
    return found


def position_probe_files(probe: PositionProbe) -> dict[str, str]:
    """Return the content of the YAML files of one position probe by name."""
    found = {
        "_position_yaml": BASE + _metrics(_CURVE),
        "_position_control_yaml": BASE + _metrics(()),
        **{f"{probe.task(control)}.yaml": _task(probe, control) for control in probe.controls},
    }
    if len(probe.controls) > 1:
        tasks = "".join(f"  - {probe.task(control)}\n" for control in probe.controls)
        found[f"{probe.name}.yaml"] = f"group: {probe.name}\ntask:\n{tasks}metadata: {{version: {VERSION}}}\n"
    return found


def _metrics(curve: Iterable[tuple[str, str, bool]]) -> str:
    rows = [("acc", "mean", True), ("recall", "mean", True), *curve]
    rows += [("echo", "mean", True), ("other", "mean", True), ("unfinished_thoughts", "aggregate_unfinished", False)]
    rows += [("scores_stderr", "aggregate_scores", True)]
    return "metric_list:\n" + "".join(metric_line(*row) for row in rows)


def metric_line(name: str, how: str, better: bool) -> str:
    """Return one entry of a metric list; `how` is `mean` or a function of utils.py."""
    aggregation = how if how == "mean" else f"!function utils.{how}"
    return f"  - {{metric: {name}, aggregation: {aggregation}, higher_is_better: {str(better).lower()}}}\n"


def _task(probe: PositionProbe, control: Control) -> str:
    base = "_position_control_yaml" if control else "_position_yaml"
    options = {"version": VERSION, **probe.options.stated()}
    metadata = ", ".join(f"{key}: {json.dumps(value)}" for key, value in options.items())
    return (
        f"task: {probe.task(control)}\ninclude: {base}\n"
        f"custom_dataset: !function utils.{position_loader(probe.name, control)}\n"
        f"generation_kwargs: {{do_sample: false, temperature: 0.0, max_gen_toks: {probe.max_gen_toks}, until: []}}\n"
        "# defaults of the probe, repeated for the results file; --metadata overrides them\n"
        f"metadata: {{{metadata}}}\n"
    )
