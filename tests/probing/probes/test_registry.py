"""The registry of probes: the bundled ones, registered ones, and those of installed packages."""

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes import registry
from in2_plugin.probing.probes.builtin import BUILTIN, DOCUMENT
from in2_plugin.probing.probes.matrix import MATRIX, all_probes, find_probe
from in2_plugin.probing.probes.registry import POSITION, POSITION_PROBES, PROBES, PositionRegistry, ProbeRegistry
from tests.support.invented_position_probe import SHELVES
from tests.support.invented_probe import CARDS


def test_the_bundled_probes_come_first():
    assert list(PROBES)[:3] == ["document", "code", "database"] and PROBES["document"] is DOCUMENT
    assert list(all_probes()) == [*PROBES, *MATRIX]
    assert find_probe("matrix_code_forward") is MATRIX["matrix_code_forward"]
    with pytest.raises(KeyError):
        find_probe("cards")


def test_a_probe_can_be_registered_and_removed():
    probes = ProbeRegistry(BUILTIN)
    probes.register(CARDS)
    assert list(probes) == ["document", "code", "database", "cards"] and len(probes) == 4
    with pytest.raises(ProbeError, match="there is already a probe called `cards`"):
        probes.register(CARDS)
    probes.unregister("cards")
    assert "cards" not in probes


@pytest.mark.parametrize("name", ["Cards", "my-cards", "", "paper", "paper_cards", "matrix_x", "cards_4k", "x_forward"])
def test_names_that_look_like_other_tasks_are_refused(name):
    with pytest.raises(ProbeError, match=f"a probe cannot be called `{name}`: use lower-case words"):
        ProbeRegistry(BUILTIN).register(replace(CARDS, name=name))


@pytest.mark.parametrize("name", ["papers", "cards_2", "two_cards", "k4"])
def test_other_names_are_accepted(name):
    probes = ProbeRegistry(BUILTIN)
    probes.register(replace(CARDS, name=name))
    assert name in probes


def entry_point(monkeypatch, value: str) -> None:
    found = [EntryPoint("cards", value, registry.GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group == registry.GROUP else [])


def test_installed_packages_add_their_probes(monkeypatch):
    entry_point(monkeypatch, "tests.support.invented_probe:CARDS")
    assert ProbeRegistry(BUILTIN)["cards"] is CARDS


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere_at_all:CARDS", "entry point `cards` of in2_plugin.probes cannot be loaded .*uninstall the package"),
        ("tests.support:ROOT", "entry point `cards` of in2_plugin.probes: `tests.support:ROOT` is not a Probe"),
    ],
)
def test_broken_entry_points_are_reported(monkeypatch, value, message):
    entry_point(monkeypatch, value)
    with pytest.raises(ProbeError, match=message):
        list(ProbeRegistry(BUILTIN))


def test_every_position_probe_has_the_name_of_its_line():
    assert set(POSITION) <= set(POSITION_PROBES)
    assert {name: POSITION_PROBES[name].name for name in POSITION} == {name: name for name in POSITION}


def test_the_registry_does_not_import_position_probes():
    code = "import sys, in2_plugin.probing.probes.registry as r; list(r.POSITION_PROBES); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in loaded if name.startswith(("in2_plugin.probing.position", "transformers", "numpy"))]


def test_an_entry_point_may_name_a_position_probe(monkeypatch):
    entry_point(monkeypatch, "tests.support.invented_position_probe:SHELVES")
    assert list(ProbeRegistry(BUILTIN)) == ["document", "code", "database"]
    assert PositionRegistry({})["shelves"] is SHELVES


def test_position_probes_are_registered_once():
    probes = PositionRegistry({})
    probes.register(SHELVES)
    with pytest.raises(ProbeError, match="there is already a probe called `shelves`"):
        probes.register(SHELVES)


@pytest.mark.parametrize("name", ["val_probe_x", "my_context", "my_closed_book", "my_gold_only", "My"])
def test_names_of_other_tasks_are_refused(name):
    with pytest.raises(ProbeError, match=f"a position probe cannot be called `{name}`"):
        PositionRegistry({}).register(replace(SHELVES, name=name))
