"""Settings with which rows cannot be split over ranks."""

from dataclasses import replace

import pytest

from in2_plugin.preflight.checks import findings_of
from tests.support.axolotl_hosts import pretend
from tests.support.preflight_cases import MISTRAL, case, model


@pytest.fixture(autouse=True)
def newest(monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, "0.21", "ringmaster", "deepspeed")


@pytest.mark.parametrize(
    "changes", [{}, {"attn_implementation": "sdpa"}, {"deepspeed": None}, {"context_parallel_size": 16}]
)
def test_valid_settings_are_accepted(changes):
    found = findings_of(case(**{"context_parallel_size": 4, **changes}))
    assert [finding.where for finding in found if finding.level == "error" and finding.where != "memory"] == []


@pytest.mark.parametrize(
    ("changes", "where", "sentence"),
    [
        (
            {"context_parallel_size": 3},
            "context_parallel_size",
            "3 ranks cannot share the 32 heads and 8 key-",
        ),
        (
            {"context_parallel_size": 16, "deepspeed": None, "attn_implementation": "sdpa"},
            "context_parallel_size",
            "16 ranks cannot share",
        ),
        ({"attn_implementation": "flex_attention"}, "attn_implementation: flex_attention", "Ulysses attention"),
        ({"attn_implementation": "sdpa", "sample_packing": True}, "attn_implementation: sdpa", "see each other"),
    ],
)
def test_conflicts_are_errors(changes, where, sentence):
    found = findings_of(case(**{"context_parallel_size": 4, **changes}))
    (error,) = [finding for finding in found if finding.level == "error" and finding.where == where]
    assert sentence in error.what


def test_advice_is_a_divisor_of_the_key_value_heads():
    (error,) = [
        finding
        for finding in findings_of(case(context_parallel_size=3, of=model(replace(MISTRAL, kv_heads=4))))
        if finding.where == "context_parallel_size"
    ]
    assert error.remedy == "set it to a divisor of 4"


def test_axolotl_0_19_has_other_rules(monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path / "old", "0.19", "ring_flash_attn")
    (note,) = [finding for finding in findings_of(case(context_parallel_size=3)) if finding.level != "error"]
    assert note.level == "note" and "logits are computed for every token" in note.what
