"""Sharding, optimizer and logits of a config."""

import pytest

from in2_plugin.preflight.training_setup import setup_of
from tests.support.preflight_cases import ZERO_3, Cfg, configuration

OFFLOADED = {
    "zero_optimization": {"stage": 3, "offload_optimizer": {"device": "cpu"}, "offload_param": {"device": "cpu"}}
}


def test_zero_3_shards_everything_and_keeps_a_float32_copy():
    setup = setup_of(configuration(), 16)
    assert (setup.shard_weights, setup.shard_gradients, setup.shard_optimizer) == (True, True, True)
    assert (setup.weight_bytes, setup.gradient_bytes, setup.optimizer_bytes) == (2, 2, 12)
    assert setup.batch == 256 and setup.logits == "answers" and setup.checkpointing


@pytest.mark.parametrize(("stage", "shards"), [(0, (0, 0, 0)), (1, (0, 0, 1)), (2, (0, 1, 1)), (3, (1, 1, 1))])
def test_zero_stages(stage, shards):
    setup = setup_of(configuration(deepspeed={"zero_optimization": {"stage": stage}}), 8)
    assert (setup.shard_weights, setup.shard_gradients, setup.shard_optimizer) == tuple(map(bool, shards))


def test_offload():
    setup = setup_of(configuration(deepspeed=OFFLOADED), 8)
    assert setup.offload_optimizer and setup.offload_weights
    assert not setup_of(configuration(deepspeed=ZERO_3), 8).offload_optimizer


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"reshard_after_forward": True}, (True, False)),
        ({"reshard_after_forward": False}, (False, False)),
        ({"fsdp_offload_params": True}, (True, True)),
    ],
)
def test_fsdp(settings, expected):
    setup = setup_of(configuration(deepspeed=None, fsdp_config=settings), 8)
    assert (setup.shard_weights, setup.offload_weights) == expected
    assert setup.weight_bytes + setup.gradient_bytes + setup.optimizer_bytes == 16


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [("adamw_torch_fused", 4), ("adamw_bnb_8bit", 2), ("adamw_torch_4bit", 1), ("lion_pytorch", 2)],
)
def test_optimizer_states_of_one_gpu_have_the_type_of_the_weights(optimizer, expected):
    assert setup_of(configuration(deepspeed=None, optimizer=optimizer), 1).optimizer_bytes == expected


def test_float32():
    setup = setup_of(configuration(deepspeed=None, bf16=False), 1)
    assert (setup.weight_bytes, setup.gradient_bytes, setup.optimizer_bytes, setup.compute_bytes) == (4, 4, 8, 4)


@pytest.mark.parametrize(
    ("settings", "frozen"), [({}, 2), ({"load_in_4bit": True}, 0.52), ({"load_in_8bit": True}, 1), ({"bf16": False}, 4)]
)
def test_bytes_per_frozen_weight(settings, frozen):
    setup = setup_of(configuration(adapter="lora", deepspeed=None, **settings), 1, adapter=1_000)
    assert (setup.trained, setup.frozen_bytes, setup.weight_bytes) == (1_000, frozen, 4)


@pytest.mark.usefixtures("only_listed_plugins")
@pytest.mark.parametrize(
    ("changes", "logits"),
    [
        ({}, "answers"),
        ({"plugins": ["in2_plugin.axolotl:IN2Plugin"]}, "answers"),
        ({"plugins": None}, "all"),
        ({"in2": {"answer_logits_only": False}}, "all"),
        ({"in2": {"answer_logits_only": True}}, "answers"),
        ({"label_smoothing_factor": 0.1}, "all"),
        ({"cut_cross_entropy": True}, "fused"),
        ({"plugins": None, "liger_fused_linear_cross_entropy": True}, "fused"),
    ],
)
def test_logits(changes, logits):
    assert setup_of(configuration(**changes), 8).logits == logits


def test_logits_of_a_plugin_that_is_loaded_without_being_listed(monkeypatch):
    monkeypatch.setattr("in2_plugin.training.axolotl.plugins.loaded_unlisted", lambda: True)
    assert setup_of(configuration(plugins=None), 8).logits == "answers"
    assert setup_of(configuration(plugins=None, datasets=[Cfg(path="a", type="completion")]), 8).logits == "all"


def test_context_and_tensor_parallelism_reduce_replicas():
    setup = setup_of(configuration(context_parallel_size=4, tensor_parallel_size=2), 16)
    assert (setup.replicas, setup.batch) == (2, 32)


@pytest.mark.parametrize(
    ("kind", "flash"), [("eager", False), ("sdpa", True), ("flash_attention_2", True), (None, True)]
)
def test_attention(kind, flash):
    assert setup_of(configuration(attn_implementation=kind), 8).flash is flash
