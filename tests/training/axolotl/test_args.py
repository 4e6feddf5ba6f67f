"""The options under `in2:` and what a config implies for logits and loss."""

import pytest

from in2_plugin.errors import ConfigError
from in2_plugin.training.axolotl.args import (
    IN2Options,
    config_full_logits_reason,
    fused_loss,
    options_of,
)
from tests.support.axolotl_hosts import pretend


def test_options_may_be_missing():
    class Cfg:
        in2 = None

    assert options_of(Cfg()) == IN2Options()
    Cfg.in2 = {"loss_normalization": "example", "lazy": True}
    assert options_of(Cfg()) == IN2Options(loss_normalization="example", lazy=True)


def test_contradiction_is_refused():
    with pytest.raises(ConfigError, match="`loss_normalization: example` gives every example the same weight and"):
        IN2Options(loss_normalization="example", answer_weighting="question")


def test_options_of_a_teacher():
    options = IN2Options.parse({"objective": "both", "distill": {"weight": 0.5}}, "section `in2`")
    assert (options.distillation.weight, options.distillation.teacher) == (0.5, "initial")
    assert options.own_loss == "objective: both" and fused_loss(options, {"cut_cross_entropy": True}) is None
    # as Axolotl writes a validated config, with all defaults that are not None
    assert IN2Options.model_validate(options.model_dump(exclude_none=True)) == options
    assert IN2Options.model_validate(IN2Options().model_dump(exclude_none=True)) == IN2Options()
    with pytest.raises(ConfigError, match="`distill` has no effect under `objective: answer`"):
        IN2Options.parse({"distill": {"weight": 0.5}}, "section `in2`")
    with pytest.raises(ConfigError, match=r"unknown key `distill.wieght`; did you mean `weight`"):
        IN2Options.parse({"objective": "both", "distill": {"wieght": 0.5}}, "section `in2`")


@pytest.mark.parametrize(
    ("version", "cfg", "reason"),
    [
        ("0.21", {}, None),
        ("0.21", {"context_parallel_size": 2}, None),
        ("0.19", {"context_parallel_size": 2}, "context parallelism splits rows inside the model"),
        ("0.21", {"label_smoothing_factor": 0.1}, "smoothing"),
    ],
)
def test_full_logits_reason(monkeypatch, tmp_path, version, cfg, reason):
    pretend(monkeypatch, tmp_path, version)
    assert (reason in config_full_logits_reason(cfg)) if reason else config_full_logits_reason(cfg) is None


def test_fused_loss_is_not_used_for_normalization_by_example():
    cfg = {"cut_cross_entropy": True}
    assert fused_loss(IN2Options(), cfg) == "cut_cross_entropy"
    assert fused_loss(IN2Options(loss_normalization="example"), cfg) is None
    assert fused_loss(IN2Options(answer_weighting="opening"), cfg) is None
    assert fused_loss(IN2Options(answer_logits_only=True), cfg) is None
