"""The options under `in2:` and what a config implies for logits and loss."""

import pytest

from in2_plugin.training.axolotl.args import (
    IN2Options,
    config_full_logits_reason,
    fused_loss,
    options_of,
    splits_rows,
)


def test_options_may_be_missing():
    class Cfg:
        in2 = None

    assert options_of(Cfg()) == IN2Options()
    Cfg.in2 = {"loss_normalization": "example", "lazy": True}
    assert options_of(Cfg()) == IN2Options(loss_normalization="example", lazy=True)


@pytest.mark.parametrize(
    ("cfg", "reason"),
    [({}, None), ({"context_parallel_size": 2}, "context parallelism"), ({"label_smoothing_factor": 0.1}, "smoothing")],
)
def test_full_logits_reason(cfg, reason):
    assert (reason in config_full_logits_reason(cfg)) if reason else config_full_logits_reason(cfg) is None
    assert splits_rows(cfg) == ("context_parallel_size" in cfg)


def test_fused_loss_is_not_used_for_normalization_by_example():
    cfg = {"cut_cross_entropy": True}
    assert fused_loss(IN2Options(), cfg) == "cut_cross_entropy"
    assert fused_loss(IN2Options(loss_normalization="example"), cfg) is None
    assert fused_loss(IN2Options(answer_logits_only=True), cfg) is None
