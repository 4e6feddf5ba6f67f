"""Findings and the case that checks read."""

from in2_plugin.preflight.findings import ConfigFinding
from tests.support.preflight_cases import case, summary


def test_case_has_the_longest_example_of_all_datasets():
    assert case(summary(longest=5), summary(longest=9)).longest == 9


def test_finding_as_json():
    finding = ConfigFinding("note", "seed", "is not set", "set e.g. `seed: 42`")
    assert finding.as_json() == {
        "level": "note", "where": "seed", "what": "is not set", "remedy": "set e.g. `seed: 42`",
    }  # fmt: skip
