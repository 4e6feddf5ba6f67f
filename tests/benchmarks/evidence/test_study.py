"""The study file: merged sections, and keys that the harness sets."""

import pytest

from benchmarks.evidence.study import STUDY, load_study, merged
from in2_plugin.errors import ConfigError
from tests.support.small_study import write_study


def test_the_shipped_study_has_the_arms_of_the_protocol():
    study = load_study(STUDY)
    assert list(study.arms) == ["start", "short", "edges", "middle", "uniform"]
    assert study.trained_arms == ("short", "edges", "middle", "uniform")
    assert study.trained_length in study.own_probe["lengths"]


def test_arms_of_the_shipped_study_differ_only_in_lengths_or_positions():
    study = load_study(STUDY)
    plain = study.second_build("uniform")
    for arm in study.trained_arms:
        changed = {key for key, value in study.second_build(arm).items() if plain.get(key) != value}
        assert changed <= {"lengths", "positions"}
        assert study.second_training(arm) == study.second_training("uniform")


def test_later_sections_win_and_nested_ones_are_merged():
    assert merged({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}}, {"b": {"z": 1}}) == {
        "a": {"x": 1, "y": 3}, "b": {"z": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training": {"seed": 1}}, r"`first\.training\.seed` is set by the harness"),
        ({"own_probe": {"output": "here"}}, r"`own_probe\.output` is set by the harness"),
        ({"build": {"lenghts": {}}}, "unknown key `lenghts`; did you mean `lengths`"),
        ({"arms": {"base": {}}}, "`base` cannot name an arm"),
        ({"arms": {"a-b": {}}}, "`a-b` cannot name an arm"),
        ({"sedes": [1]}, "unknown key `sedes`"),
    ],
)
def test_a_wrong_study_file_is_one_sentence(tmp_path, changes, said):
    with pytest.raises(ConfigError, match=said):
        load_study(write_study(tmp_path / "study.yml", **changes))
