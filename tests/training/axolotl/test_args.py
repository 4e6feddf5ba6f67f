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
