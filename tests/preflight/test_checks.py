"""Each check finds what it is for, with a remedy, and nothing in a sound file."""

import numpy as np
import pytest

from in2_plugin.preflight.checks import CHECKS, findings_of
from tests.support.preflight_cases import Cfg, case, facts, model

SHORT = np.array([100, 200])
OTHER = {"type": "chat_template", "seen": "the first 100"}


def only(found):
    assert len(found) == 1, found
    assert found[0].remedy and not found[0].remedy.endswith(".")
    return found[0]


def test_a_sound_file_has_no_findings():
    assert findings_of(case()) == []


def test_errors_come_first():
    found = findings_of(case(facts(refused=3), seed=None, val_set_size=0.1))
    assert [finding.level for finding in found] == ["error", "warning", "note"]


def test_too_long_examples_of_ours_stop_the_trainer():
    finding = only(findings_of(case(facts(refused=31), sequence_len=16_384)))
    assert (finding.level, finding.where) == ("error", "in2")
    assert "31 of 100 rows looked at are longer than `sequence_len: 16384`" in finding.what
    assert "set `sequence_len: 32768` or more" in finding.remedy


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        (
            {"dropped": 12, "lost_answer_tokens": 300},
            "12 of 100 rows looked at are dropped, 300 answer tokens with them",
        ),
        ({"cut": 5, "losing": 4, "lost_answer_tokens": 90}, "4 of 100 rows looked at are cut"),
        ({"cut": 5}, "5 of 100 rows looked at are cut"),
        ({"unlabelled": 2}, "2 of 100 rows looked at are trained on without any answer token"),
    ],
)
def test_what_a_dataset_loses(lost, says):
    finding = only(findings_of(case(facts(**OTHER, **lost), sequence_len=16_384)))
    assert finding.level == "error" and says in finding.what


def test_a_type_that_masks_nothing():
    finding = only(findings_of(case(facts(**OTHER, masks_prompt=False))))
    assert finding.level == "warning" and "every token is supervised under `type: chat_template`" in finding.what


def test_empty_rows_are_no_error():
    finding = only(findings_of(case(facts(**OTHER, dropped=1))))
    assert (finding.level, finding.remedy) == ("warning", "remove the rows that are empty")


def test_nothing_left():
    none = np.empty(0, np.int64)
    found = findings_of(case(facts(**OTHER, lengths=none, answers=none, dropped=100), sequence_len=64))
    assert "no row is left to train on" in [finding.what for finding in found]


def test_train_on_inputs_matters_where_it_is_heard():
    assert only(findings_of(case(train_on_inputs=True))).level == "note"
    finding = only(findings_of(case(facts(**OTHER), train_on_inputs=True)))
    assert (finding.level, finding.remedy) == ("error", "remove `train_on_inputs: true`")


def test_a_sliding_window_smaller_than_the_context():
    finding = only(findings_of(case(of=model(sliding_window=4_096))))
    assert finding.level == "error" and "a window of 4,096 tokens" in finding.what
    assert "overrides_of_model_config: {sliding_window: null}" in finding.remedy


@pytest.mark.parametrize(
    "config",
    [{"sliding_window": 32_768}, {"sliding_window": 4_096, "use_sliding_window": False}, {"sliding_window": None}],
)
def test_windows_that_do_no_harm(config):
    assert findings_of(case(of=model(**config))) == []


def test_a_window_in_some_layers_is_a_note():
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


def test_rope_that_is_scaled_far_enough():
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8_192}
    finding = only(findings_of(case(of=model(max_position_embeddings=8_192, rope_parameters=rope))))
    assert (finding.level, finding.remedy) == (
        "warning",
        "set `overrides_of_model_config: {max_position_embeddings: 32768}`",
    )


def test_rope_of_layers_that_differ():
    rope = {"full_attention": {"rope_type": "default", "rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}}
    finding = only(findings_of(case(of=model(max_position_embeddings=8_192, rope_parameters=rope))))
    assert "rope_theta: 1000000.0" in finding.remedy


def test_attention():
    found = findings_of(case(attn_implementation="eager"))
    assert [finding.where for finding in found] == ["memory", "attn_implementation: eager"]
    assert "flash_attention_2" in found[1].remedy
    assert findings_of(case(attn_implementation="sdpa")) == []
    finding = only(findings_of(case(attn_implementation="sdpa", micro_batch_size=2)))
    assert finding.where == "attn_implementation: sdpa" and finding.level == "warning"


def test_logits_computed_for_nothing():
    finding = only(findings_of(case(plugins=None)))
    assert finding.level == "warning" and "logits of all 32,768 positions" in finding.what
    assert findings_of(case(plugins=None, cut_cross_entropy=True)) == []
    finding = only(findings_of(case(context_parallel_size=2)))
    assert finding.where == "context_parallel_size"


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"gpu": "RTX-4090"}, "offload the optimizer"),
        ({"deepspeed": None, "gpu": "A100-40G"}, "spread weights"),
        ({"gradient_checkpointing": False}, "`gradient_checkpointing: true`"),
        ({"micro_batch_size": 8}, "`micro_batch_size: 1`"),
    ],
)
def test_memory_above_the_gpus(changes, remedy):
    found = [finding for finding in findings_of(case(**changes)) if finding.where == "memory"]
    assert only(found).level == "error" and remedy in found[0].remedy
    assert "GiB a GPU are needed" in found[0].what


def test_memory_that_is_tight():
    """75 GiB of 80: an estimate cannot say more than that."""
    (finding,) = [finding for finding in findings_of(case(deepspeed=None)) if finding.where == "memory"]
    assert finding.level == "warning"


def test_bf16_weights_that_do_not_move():
    finding = only(findings_of(case(gpu="B200", gpus=1, deepspeed=None)))
    assert finding.where == "bf16" and "1e-06" in finding.what
    for harmless in ({"learning_rate": 1e-4}, {"optimizer": "optimi_adamw"}, {"adapter": "lora"}, {"bf16": False}):
        found = findings_of(case(gpu="B200", gpus=1, deepspeed=None, **harmless))
        assert not [finding for finding in found if finding.where == "bf16"], harmless


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"seed": None}, "seed"),
        ({"sample_packing": True}, "sample_packing"),
        ({"val_set_size": 0.05}, "val_set_size"),
    ],
)
def test_settings_that_are_worth_a_word(changes, where):
    assert only(findings_of(case(**changes))).where == where


def test_datasets_that_were_not_looked_at():
    assert only(findings_of(case(facts(looked_at=0, seen="it takes seconds", longest=0)))).level == "note"
    found = findings_of(case(datasets=[]))
    assert "there is none to look at" in [finding.what for finding in found]


def test_every_check_says_what_it_is_for():
    assert all(check.__doc__ for check in CHECKS)
    assert Cfg(a={"b": 1}).a.b == 1 and Cfg().missing is None
