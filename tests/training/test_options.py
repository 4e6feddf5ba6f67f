"""Options of an objective: their defaults, and those that have no effect."""

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.training.options import DistillOptions, TrainingOptions, own_loss_option


def test_defaults():
    assert DistillOptions.of(None, "answer") == DistillOptions.of({}, "both") == DistillOptions()
    assert DistillOptions.of({"weight": 2}, "both").weight == 2
    assert not TrainingOptions().distills and TrainingOptions().own_loss is None


@pytest.mark.parametrize(
    ("given", "objective", "message"),
    [
        (
            {"weight": 1},
            "answer",
            "`distill` has no effect under `objective: answer`; remove it",
        ),
        ({"weight": 2}, "distill", "`distill.weight` has no effect under `objective: distill`, whose whole loss"),
        ({"wieght": 2}, "both", "section `distill`: unknown key `wieght`; did you mean `weight`"),
        ({"temperature": 0}, "both", "section `distill`: `temperature`"),
        ({"top_k": 0}, "both", "section `distill`: `top_k`"),
    ],
)
def test_wrong_options_are_refused(given, objective, message):
    with pytest.raises(ConfigError, match=message):
        DistillOptions.of(given, objective)


def test_the_option_of_an_error_names_its_default():
    assert own_loss_option("example", "opening", "both") == "objective: both"
    assert own_loss_option("example", "opening", "answer") == "answer_weighting: opening"
    assert own_loss_option("example", "token", "answer") == "loss_normalization: example"
    assert str(TrainingOptions(objective="both").not_possible("x")).endswith("is not possible: x; set it to `answer`")
    assert str(TrainingOptions(answer_weighting="opening").not_possible("x")).endswith("x; set it to `token`")
