"""The study file: merged sections, and keys that the harness sets."""

import pytest
import yaml

from benchmarks.evidence.study import STUDY, load_study
from in2_plugin.errors import ConfigError
from in2_plugin.recipe.folder import find_recipe
from tests.support.small_study import STUDY as STUDY_VALUES
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


def test_the_shipped_study_is_the_recipe_with_stated_differences():
    recipe, study = find_recipe("smollm2-135m").path, load_study(STUDY)
    shipped = yaml.safe_load((recipe / "sft.yml").read_text())
    training = study.second_training("uniform")
    assert {key for key, value in training.items() if shipped[key] != value} == {"gradient_accumulation_steps"}
    assert study.first_training()["learning_rate"] == shipped["learning_rate"]
    build = yaml.safe_load((recipe / "build.yml").read_text())
    assert {key for key, value in study.second_build("uniform").items() if build[key] != value} == {
        "corpus", "lengths", "mixture", "questions", "questions_per_context",
    }  # fmt: skip
    assert study.build["questions"] == {"writer": "extractive", **study.own_probe["questions"]}
    assert study.build["corpus"] == {"segment_tokens": 64, "decontamination": {}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training": {"seed": 1}}, r"`first\.training\.seed` is set by the harness"),
        ({"own_probe": {**STUDY_VALUES["own_probe"], "depths": 4}}, "`own_probe.depths: 4` leaves fifths without"),
        ({"held_out_questions": {"mixture": {"integration": 4}}}, "must have `fine_grained` questions alone"),
        ({"recipe": "smollm2-135"}, "did you mean `smollm2-135m`"),
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
