"""The loading functions that YAML files name."""

import inspect

import pytest

from in2_plugin.probing.lm_eval.loaders import loaders, own_arguments, position_loaders
from in2_plugin.probing.probes.matrix import MATRIX
from in2_plugin.probing.probes.registry import POSITION_PROBES, PROBES
from tests.support.invented_probe import CARDS

PAPER = ("load_paper_document", "load_paper_code", "load_paper_database")


def test_every_probe_has_a_loader_and_the_papers_have_two():
    names = {f"load_{name}" for name in (*PROBES, *MATRIX)}
    assert set(loaders()) == names | set(PAPER)


def test_probes_registered_later_are_found():
    PROBES.register(CARDS)
    try:
        assert "load_cards" in loaders() and "load_paper_cards" not in loaders()
    finally:
        PROBES.unregister("cards")


def test_every_task_of_a_position_probe_has_a_loader():
    controls = ("", "_closed_book", "_gold_only")
    assert set(position_loaders()) == {f"load_{name}{control}" for name in POSITION_PROBES for control in controls}


def test_lm_eval_can_read_the_source():
    for function in (loaders()["load_code"], position_loaders()["load_litm_kv"]):
        assert inspect.getsource(function).lstrip().startswith("def load_probe")


GIVEN = {"pretrained": "m", "probe": "folder", "probe_lengths": [1_024], "probe_sets": 2, "probe_lenght": 9}


@pytest.mark.parametrize(
    ("task", "tasks", "left_out"),
    [
        ("in2_probe", ["in2_probe_context", "val_probe_4k"], {"probe_sets"}),
        ("val_probe", ["in2_probe_context", "val_probe_4k"], {"probe", "probe_lengths"}),
        ("val_probe", ["litm_kv", "val_probe"], set()),
        ("in2_probe", ["in2_probe", "mmlu"], set()),
        ("in2_probe", [], set()),
    ],
)
def test_a_task_does_not_see_the_options_of_the_others(task, tasks, left_out):
    """A misspelled option, and one that no task has, is left for the task to refuse."""
    assert own_arguments(task, GIVEN, tasks) == {key: value for key, value in GIVEN.items() if key not in left_out}
