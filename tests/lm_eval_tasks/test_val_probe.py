"""The YAML files of the lm_eval tasks: those that their script writes, with the defaults and metrics of the code."""

import importlib.util

import pytest
import yaml

from in2_plugin.probing.lm_eval.tasks import process_results
from in2_plugin.probing.probes.matrix import all_probes
from in2_plugin.probing.probes.options import NEW_TOKENS, ProbeOptions, parse_options
from in2_plugin.probing.probes.registry import PROBES
from tests.support import ROOT

FOLDER = ROOT / "lm_eval_tasks/val_probe"


class Functions(yaml.SafeLoader):
    """Reads `!function x` as "x"."""


Functions.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def task_file(name: str) -> dict:
    """A file as lm_eval reads it: what it includes goes below it."""
    content = yaml.load((FOLDER / name).read_text(), Loader=Functions)
    return {**(task_file(content.pop("include")) if "include" in content else {}), **content}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_val_tasks", ROOT / "scripts/make_val_tasks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_folder_is_what_the_script_writes(script):
    written = script.files()
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == {*written, "README.md", "utils.py"}
    assert {name: (FOLDER / name).read_text() for name in written} == written


def test_old_files_go(script, tmp_path):
    for name in ("val_probe_3k.yaml", "README.md"):
        (tmp_path / name).touch()
    script.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*script.files(), "README.md"}


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
    said = {key: value for key, value in content["metadata"].items() if key.startswith("probe_")}
    usual = said.keys() - {"probe_closed_book", "probe_length", "probe_task_length"}
    assert len(usual) == 3 and all(said[key] == getattr(ProbeOptions(), key) for key in usual)
    if options.probe_task_length:
        assert content["task"].endswith(f"_{options.probe_length // 1_024}k")


@pytest.mark.parametrize("name", all_probes())
def test_tasks_declare_the_metrics_that_rows_get(name):
    row = {"kind": name, "set": 0, "position": 1, "n_positions": 9, "span": 0, "n_spans": 2, "gold": ["a"]}
    got = list(process_results({**row, "echo": 0.0, "other": 0.0}, [""]))
    tasks = [f"val_probe_{name}.yaml"]
    if name in PROBES:
        tasks += [f"val_probe_{name}_128k.yaml", f"val_probe_closed_book_{name}.yaml"]
        paper = process_results({**row, "echo": 0.0, "other": 0.0, "ambiguous": False}, [""])
        assert [one["metric"] for one in task_file(f"val_probe_paper_{name}.yaml")["metric_list"]] == list(paper)
    for task in tasks:
        assert [one["metric"] for one in task_file(task)["metric_list"]] == got


def test_groups_have_their_tasks():
    groups = {name.removesuffix(".yaml"): task_file(name) for name in names("val_probe") if "group" in task_file(name)}
    assert {"val_probe", "val_probe_closed_book", "val_probe_matrix", "val_probe_paper"} < set(groups)
    in_groups = [task for name, content in groups.items() if content["group"] == name for task in content["task"]]
    assert sorted(f"{name}.yaml" for name in (*in_groups, *groups)) == names("val_probe")
    assert groups["val_probe"]["task"] == [f"val_probe_{kind}" for kind in PROBES]


def test_the_readme_lists_every_group():
    said = (FOLDER / "README.md").read_text()
    for name in names("val_probe"):
        if "group" in task_file(name):
            assert f"`{name.removesuffix('.yaml')}`" in said
