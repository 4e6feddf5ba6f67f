"""The definitions of the three probes: complete, and consistent with the paper's data."""

import pytest

from in2_plugin.probing.probes.builtin import BUILTIN, CODE, DATABASE, DOCUMENT


@pytest.mark.parametrize("probe", BUILTIN, ids=lambda probe: probe.name)
def test_spans_have_fifty_positions(probe):
    assert probe.paper.n_positions == 50 * probe.spans
    assert all(len(curve) == probe.spans for curve in probe.paper.curves.values())
    assert set(probe.paper.scores) == {"Mistral-7B-Instruct-v0.2", "FILM-7B", "GPT-4-Turbo"}


def test_entities_outside_the_published_sets_are_skipped():
    row = {"id": "Q1", "label": 'An [old] "mill"', "dcpt": "ruin on the hill"}
    item = DATABASE.parse_item(row)
    assert item.text == "<id: Q1, label: An old mill, description: ruin on the hill>"
    assert DATABASE.parse_item({**row, "label": "mill"}) is None


def test_gold_fields_are_those_of_the_release():
    assert DOCUMENT.gold_fields == CODE.gold_fields == ("completion",)
    assert DATABASE.gold_fields == ("label", "description")
