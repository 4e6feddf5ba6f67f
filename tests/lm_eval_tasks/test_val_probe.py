"""The YAML files of the val_probe tasks have the defaults and metrics of the code."""

import pytest
import yaml

from in2_plugin.probing.lm_eval.tasks import process_results
from in2_plugin.probing.probes.matrix import all_probes
from in2_plugin.probing.probes.options import NEW_TOKENS, ProbeOptions, parse_options
from in2_plugin.probing.probes.registry import PROBES
from tests.support import ROOT

FOLDER = ROOT / "lm_eval_tasks/val_probe"


class Functions(yaml.SafeLoader):
    """Loads `!function x` as the string "x"."""


Functions.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def task_file(name: str) -> dict:
    """Read a file like lm_eval: its own keys override those of the included file."""
    content = yaml.load((FOLDER / name).read_text(), Loader=Functions)
    return {**(task_file(content.pop("include")) if "include" in content else {}), **content}


def names(beginning: str) -> list[str]:
    return sorted(path.name for path in FOLDER.glob("*.yaml") if path.stem.startswith(beginning))


@pytest.mark.parametrize("name", [name for name in names("val_probe") if "group" not in task_file(name)])
def test_a_task(name):
    content = task_file(name)
    assert content["task"] == name.removesuffix(".yaml")
    assert content["generation_kwargs"] | {"until": [], "max_gen_toks": NEW_TOKENS} == content["generation_kwargs"]
    if "_paper_" in name:
        return
    options = parse_options(content["metadata"], name)
    assert options.probe_closed_book == ("closed_book" in name)
    assert (options.probe_task_length or 32_768) == options.probe_length
    metadata = {key: value for key, value in content["metadata"].items() if key.startswith("probe_")}
    usual = metadata.keys() - {"probe_closed_book", "probe_length", "probe_task_length"}
    assert len(usual) == 3 and all(metadata[key] == getattr(ProbeOptions(), key) for key in usual)
    if options.probe_task_length:
        assert content["task"].endswith(f"_{options.probe_length // 1_024}k")


@pytest.mark.parametrize("name", all_probes())
def test_tasks_declare_the_metrics_of_the_rows(name):
    row = {"kind": name, "set": 0, "position": 1, "n_positions": 9, "span": 0, "n_spans": 2, "gold": ["a"]}
    row |= {"echo": 0.0, "other": 0.0, "thoughts": "closed"}
    got = list(process_results(row, [""]))
    tasks = [f"val_probe_{name}.yaml"]
    if name in PROBES:
        tasks += [f"val_probe_{name}_128k.yaml", f"val_probe_closed_book_{name}.yaml"]
        paper = process_results({**row, "ambiguous": False}, [""])
        assert [one["metric"] for one in task_file(f"val_probe_paper_{name}.yaml")["metric_list"]] == list(paper)
    for task in tasks:
        assert [one["metric"] for one in task_file(task)["metric_list"]] == got


def test_groups_have_their_tasks():
    groups = {name.removesuffix(".yaml"): task_file(name) for name in names("val_probe") if "group" in task_file(name)}
    assert {"val_probe", "val_probe_closed_book", "val_probe_matrix", "val_probe_paper"} < set(groups)
    in_groups = [task for name, content in groups.items() if content["group"] == name for task in content["task"]]
    assert sorted(f"{name}.yaml" for name in (*in_groups, *groups)) == names("val_probe")
    assert groups["val_probe"]["task"] == [probe.task for probe in PROBES.values() if probe.paper]


def test_the_readme_lists_every_group():
    text = (FOLDER / "README.md").read_text()
    for name in names("val_probe"):
        if "group" in task_file(name):
            assert f"`{name.removesuffix('.yaml')}`" in text
