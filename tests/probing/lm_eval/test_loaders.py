"""The loading functions that YAML files name."""

import inspect

from in2_plugin.probing.lm_eval.loaders import loaders, position_loaders
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
