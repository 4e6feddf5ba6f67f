"""The YAML files of position probes have the metrics and options of the code, and names that lm_eval does not have."""

import pytest
import yaml

from in2_plugin.probing.lm_eval import position_tasks
from in2_plugin.probing.lm_eval.install import lm_eval_folder
from in2_plugin.probing.lm_eval.loaders import position_loaders
from in2_plugin.probing.lm_eval.position_files import BASE
from in2_plugin.probing.probes.registry import POSITION, POSITION_PROBES
from tests.support import ROOT

FOLDER = ROOT / "lm_eval_tasks/position"
TASKS = [(name, control) for name in POSITION for control in POSITION_PROBES[name].controls]
ROW = {
    "question": 0, "length": 512, "depth": 1, "n_depths": 5, "question_kind": "fine_grained", "gold": ["a"],
    "gold_depths": [0.3], "digest": "0" * 16, "window": None, "echo": 0.0, "other": 0.0, "thoughts": "closed",
}  # fmt: skip


class Functions(yaml.SafeLoader):
    """Loads `!function x` as the string "x"."""


Functions.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def task_file(name: str) -> dict:
    """Read a file like lm_eval: its own keys override those of the included file."""
    content = yaml.load((FOLDER / name).read_text(), Loader=Functions)
    return {**(task_file(content.pop("include")) if "include" in content else {}), **content}


@pytest.mark.parametrize(("name", "control"), TASKS)
def test_a_task(name, control):
    probe = POSITION_PROBES[name]
    content = task_file(f"{probe.task(control)}.yaml")
    assert content["task"] == probe.task(control)
    assert content["custom_dataset"].removeprefix("utils.") in position_loaders()
    assert content["generation_kwargs"]["max_gen_toks"] == probe.max_gen_toks
    options = probe.options.of(content["metadata"], content["task"])
    assert options.model_dump() == probe.options().model_dump()
    metrics = position_tasks.process_results({**ROW, "kind": name, "control": control}, ["a"])
    assert [one["metric"] for one in content["metric_list"]] == list(metrics)
    functions = {one["aggregation"] for one in content["metric_list"]} - {"mean"}
    assert all(hasattr(position_tasks, function.removeprefix("utils.")) for function in functions)


def test_the_functions_of_every_task_exist():
    named = [line.split("utils.")[1] for line in BASE.splitlines() if "!function" in line]
    assert len(named) == 3 and all(hasattr(position_tasks, name) for name in named)


def test_lm_eval_has_no_task_of_these_names():
    ours = {path.stem for path in FOLDER.glob("*.yaml")}
    theirs = {path.stem for path in (lm_eval_folder() / "tasks").rglob("*.yaml")}
    assert len(ours) >= len(TASKS) and not ours & theirs
