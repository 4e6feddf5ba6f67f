"""Each check finds its problem and names a remedy; a valid config has no findings."""

import numpy as np
import pytest

from in2_plugin.preflight.checks import CHECKS, findings_of
from tests.support.preflight_cases import Cfg, case, model, summary

SHORT = np.array([100, 200])
OTHER = {"type": "chat_template", "seen": "the first 100"}


def only(found):
    assert len(found) == 1, found
    assert found[0].remedy and not found[0].remedy.endswith(".")
    return found[0]


def test_valid_config_has_no_findings():
    assert findings_of(case()) == []


def test_errors_come_first():
    found = findings_of(case(summary(refused=3), seed=None, val_set_size=0.1))
    assert [finding.level for finding in found] == ["error", "warning", "note"]


def test_in2_examples_that_are_too_long_are_an_error():
    finding = only(findings_of(case(summary(refused=31, longest_row=7), sequence_len=16_384)))
    assert (finding.level, finding.where) == ("error", "in2")
    assert "31 of 100 rows checked are longer than `sequence_len: 16384` (the longest is row 7 and has" in finding.what
    assert "set `sequence_len: 32768` or more" in finding.remedy


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (
            {"dropped": 12, "lost_answer_tokens": 300},
            "12 of 100 rows checked are dropped with 300 answer tokens",
        ),
        ({"cut": 5, "losing": 4, "lost_answer_tokens": 90}, "4 of 100 rows checked are truncated"),
        ({"cut": 5}, "5 of 100 rows checked are truncated"),
        ({"unlabelled": 2}, "2 of 100 rows checked have no supervised token"),
    ],
)
def test_lost_rows_and_answers(lost, message):
    finding = only(findings_of(case(summary(**OTHER, **lost), sequence_len=16_384)))
    assert finding.level == "error" and message in finding.what


def test_type_that_masks_nothing():
    finding = only(findings_of(case(summary(**OTHER, masks_prompt=False))))
    assert finding.level == "warning" and "every token is supervised under `type: chat_template`" in finding.what


def test_empty_rows_are_a_warning():
    finding = only(findings_of(case(summary(**OTHER, dropped=1))))
    assert (finding.level, finding.remedy) == ("warning", "remove the empty rows")


def test_no_row_left():
    none = np.empty(0, np.int64)
    found = findings_of(case(summary(**OTHER, lengths=none, answers=none, dropped=100), sequence_len=64))
    assert "no row is left to train on" in [finding.what for finding in found]


def test_train_on_inputs_is_an_error_only_for_other_types():
    assert only(findings_of(case(train_on_inputs=True))).level == "note"
    finding = only(findings_of(case(summary(**OTHER), train_on_inputs=True)))
    assert (finding.level, finding.remedy) == ("error", "remove `train_on_inputs: true`")


def test_sliding_window_smaller_than_the_context():
    finding = only(findings_of(case(of=model(sliding_window=4_096))))
    assert finding.level == "error" and "a window of 4,096 tokens" in finding.what
    assert "overrides_of_model_config: {sliding_window: null}" in finding.remedy


@pytest.mark.parametrize(
    "config",
    [{"sliding_window": 32_768}, {"sliding_window": 4_096, "use_sliding_window": False}, {"sliding_window": None}],
)
def test_windows_without_effect(config):
    assert findings_of(case(of=model(**config))) == []


def test_window_in_some_layers_is_a_note():
    layers = ["sliding_attention"] * 5 + ["full_attention"]
    finding = only(findings_of(case(of=model(sliding_window=1_024, layer_types=layers))))
    assert finding.level == "note" and "in 5 of 6 layers" in finding.what


def test_too_few_positions():
    rope = {"rope_type": "default", "rope_theta": 500_000.0}
    finding = only(findings_of(case(of=model(max_position_embeddings=8_192, rope_parameters=rope))))
    assert finding.level == "error"
    assert (
        "{max_position_embeddings: 32768, rope_parameters: {rope_type: yarn, rope_theta: 500000.0, factor: 4.0, "
        "original_max_position_embeddings: 8192}}" in finding.remedy
    )


def test_rope_scaled_far_enough_is_a_warning():
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8_192}
    finding = only(findings_of(case(of=model(max_position_embeddings=8_192, rope_parameters=rope))))
    assert (finding.level, finding.remedy) == (
        "warning",
        "set `overrides_of_model_config: {max_position_embeddings: 32768}`",
    )


def test_rope_per_layer_type():
    rope = {"full_attention": {"rope_type": "default", "rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}}
    finding = only(findings_of(case(of=model(max_position_embeddings=8_192, rope_parameters=rope))))
    assert "rope_theta: 1000000.0" in finding.remedy


def test_expensive_attention():
    found = findings_of(case(attn_implementation="eager"))
    assert [finding.where for finding in found] == ["memory", "attn_implementation: eager"]
    assert "flash_attention_2" in found[1].remedy
    assert findings_of(case(attn_implementation="sdpa")) == []
    finding = only(findings_of(case(attn_implementation="sdpa", micro_batch_size=2)))
    assert finding.where == "attn_implementation: sdpa" and finding.level == "warning"


@pytest.mark.usefixtures("only_listed_plugins")
def test_unused_logits():
    finding = only(findings_of(case(plugins=None)))
    assert finding.level == "warning" and "logits are computed for all 32,768 positions" in finding.what
    assert findings_of(case(plugins=None, cut_cross_entropy=True)) == []


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"gpu": "RTX-4090"}, "offload the optimizer"),
        ({"deepspeed": None, "gpu": "A100-40G"}, "shard weights"),
        ({"gradient_checkpointing": False}, "`gradient_checkpointing: true`"),
        ({"micro_batch_size": 8}, "`micro_batch_size: 1`"),
    ],
)
def test_memory_above_the_gpu(changes, remedy):
    found = [finding for finding in findings_of(case(**changes)) if finding.where == "memory"]
    assert only(found).level == "error" and remedy in found[0].remedy
    assert "GiB per GPU" in found[0].what


def test_tight_memory_is_a_warning():
    """Check 75 GiB of 80: within the accuracy of the estimate."""
    (finding,) = [finding for finding in findings_of(case(deepspeed=None)) if finding.where == "memory"]
    assert finding.level == "warning"


def test_bf16_weights_that_do_not_change():
    finding = only(findings_of(case(gpu="B200", gpus=1, deepspeed=None)))
    assert finding.where == "bf16" and "1e-06" in finding.what
    for harmless in ({"learning_rate": 1e-4}, {"optimizer": "optimi_adamw"}, {"adapter": "lora"}, {"bf16": False}):
        found = findings_of(case(gpu="B200", gpus=1, deepspeed=None, **harmless))
        assert not [finding for finding in found if (finding.where, finding.level) == ("bf16", "warning")], harmless


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"seed": None}, "seed"),
        ({"sample_packing": True}, "sample_packing"),
        ({"val_set_size": 0.05}, "val_set_size"),
    ],
)
def test_settings_with_a_note_or_warning(changes, where):
    assert only(findings_of(case(**changes))).where == where


def test_datasets_that_were_not_checked():
    assert only(findings_of(case(summary(looked_at=0, seen="tokenizing takes seconds", longest=0)))).level == "note"
    found = findings_of(case(datasets=[]))
    assert "there is no dataset" in [finding.what for finding in found]


def test_every_check_has_a_docstring():
    assert all(check.__doc__ for check in CHECKS)
    assert Cfg(a={"b": 1}).a.b == 1 and Cfg().missing is None
