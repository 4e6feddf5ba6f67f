"""Scores name the context that their question was asked in."""

from types import SimpleNamespace

import pytest

from benchmarks.evidence.rows import UNKNOWN, ScoredUnit
from benchmarks.evidence.running import probing
from in2_plugin.probing.scoring.scores import SetScores

OWN_CONTEXTS = {(4_096, 7, 0): 30, (4_096, 7, 1): 31}


def result(task: str, position: object):
    scores = SetScores(set=7, n_positions=2, positions=(0, 1), scores=(1.0, 0.0))
    return SimpleNamespace(
        name=f"{task}_name", task=task, key=SimpleNamespace(length=4_096), sets=[scores], position=position
    )


@pytest.mark.parametrize(
    ("task", "position", "contexts"),
    [
        ("in2_probe", object(), [30, 31]),
        ("litm_kv", object(), [UNKNOWN, UNKNOWN]),
        ("document", None, [7, 7]),  # a set of VAL is a context
    ],
)
def test_each_score_has_its_context(task, position, contexts):
    assert list(probing._units(result(task, position), OWN_CONTEXTS)) == [
        ScoredUnit(f"{task}_name", 4_096, 7, 0, 2, 1.0, contexts[0]),
        ScoredUnit(f"{task}_name", 4_096, 7, 1, 2, 0.0, contexts[1]),
    ]


def test_the_contexts_of_the_own_probe_are_read_from_its_folder(monkeypatch, tmp_path):
    asked = [SimpleNamespace(question=7, depth=depth) for depth in (0, 1)]
    contexts = [SimpleNamespace(length=4_096, number=30 + n, asked=[one]) for n, one in enumerate(asked)]
    monkeypatch.setattr(probing, "read_probe", lambda folder: SimpleNamespace(contexts=contexts))
    assert probing._own_contexts(tmp_path) == OWN_CONTEXTS
