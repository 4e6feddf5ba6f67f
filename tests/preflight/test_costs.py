"""Estimates agree with the documented table, with PyTorch's saved tensors, and with each other."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from in2_plugin.preflight.costs import GIB, GPUS, ModelShape, Setup, layer_bytes, memory, operations, seconds
from in2_plugin.preflight.shape import shape_of
from tests.support import ROOT
from tests.support.preflight_cases import MISTRAL

DOCS = ROOT / "docs/preflight.md"
ZERO_3 = Setup(gpus=8, shard_weights=True, shard_gradients=True, shard_optimizer=True, logits="answers")
OFFLOADS = {
    "no offload": {},
    "optimizer offloaded": {"offload_optimizer": True},
    "optimizer and weights offloaded": {"offload_optimizer": True, "offload_weights": True},
}
TOKENS = 256
SMALL = {
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "vocab_size": 500,
}
CONFIGS = [
    MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=None),
    LlamaConfig(**SMALL),
    Qwen2Config(**SMALL, num_key_value_heads=1),
    Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=128),
]


def gib(setup: Setup) -> float:
    return memory(MISTRAL, setup, 32_768, 512).total / GIB


def test_documented_memory_table_is_up_to_date():
    documented = {
        cells[1].strip(): cells[2:5] for line in DOCS.read_text().splitlines() if len(cells := line.split("|")) == 6
    }
    for name, offload in OFFLOADS.items():
        for gpus, cell in zip((4, 8, 16), documented[name], strict=True):
            some = replace(ZERO_3, gpus=gpus, **offload)
            expected = f"{gib(some):.0f} / {gib(replace(some, logits='all')):.0f}"
            assert cell.strip() == expected, (name, gpus)


class Kept(torch.autograd.Function):
    """Attention that saves queries, keys, values and its output, as FlashAttention does."""

    @staticmethod
    def forward(ctx, query, key, value):
        output = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, output)
        return output


def kept_attention(module, query, key, value, attention_mask, **_):
    return Kept.apply(query, key, value).transpose(1, 2), None


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.model_type)
def test_layer_bytes_equal_what_pytorch_saves(config):
    """Count on the meta device the storages that autograd saves in the forward pass of one layer."""
    ALL_ATTENTION_FUNCTIONS.register("kept", kept_attention)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation="kept")
        hidden = torch.zeros(1, TOKENS, config.hidden_size, dtype=torch.bfloat16, requires_grad=True)
        rotation = model.model.rotary_emb(hidden, torch.arange(TOKENS)[None])
    others = [*model.parameters(), *rotation, hidden]
    known = {tensor.untyped_storage()._cdata for tensor in others}
    kept, alive = {}, []

    def keep(tensor):
        alive.append(tensor)  # otherwise the next storage could reuse its address
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.device("meta"), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.model.layers[0](hidden, position_embeddings=rotation, attention_mask=None)
    counted = sum(size for storage, size in kept.items() if storage not in known)
    # the estimate leaves out the statistics of norms, one number per token and head
    assert layer_bytes(shape_of(config, model), Setup(), TOKENS) == pytest.approx(counted, rel=0.07)


def test_sharding_divides_and_offload_removes_memory():
    whole, shared = replace(ZERO_3, gpus=1), ZERO_3
    assert memory(MISTRAL, shared, 100, 1).optimizer * 8 == memory(MISTRAL, whole, 100, 1).optimizer
    assert memory(MISTRAL, shared, 100, 1).gradients * 8 == memory(MISTRAL, whole, 100, 1).gradients
    off = replace(shared, offload_optimizer=True, offload_weights=True)
    assert memory(MISTRAL, off, 100, 1).optimizer == 0
    saved = memory(MISTRAL, shared, 100, 1).weights - memory(MISTRAL, off, 100, 1).weights
    assert saved == pytest.approx(MISTRAL.parameters * 2 / 8)


def test_adapters_have_small_gradients_and_optimizer():
    lora = Setup(trained=10_000_000, weight_bytes=4, gradient_bytes=4, optimizer_bytes=8)
    need = memory(MISTRAL, lora, 32_768, 512)
    assert need.weights == 10_000_000 * 4 + MISTRAL.parameters * 2
    assert (need.gradients, need.optimizer) == (40_000_000, 80_000_000)


def test_each_option_reduces_activations_and_logits():
    plain = gib(replace(ZERO_3, checkpointing=False, logits="all"))
    reduced = [
        gib(replace(ZERO_3, logits="all")),
        gib(ZERO_3),
        gib(replace(ZERO_3, offload_activations=True)),
        gib(replace(ZERO_3, offload_activations=True, context_parallel=2)),
    ]
    assert [plain, *reduced] == sorted([plain, *reduced], reverse=True)
    assert gib(replace(ZERO_3, flash=False)) > plain, "scores for each pair of tokens take the most memory"
    assert gib(replace(ZERO_3, micro_batch=2)) > gib(ZERO_3)


def test_operations_of_checkpointed_training():
    """Check 8 operations per weight and token and 9 per token pair and unit of width, for 16,384 tokens."""
    counted = operations(MISTRAL, Setup(), 16_384, 16_384**2)
    assert counted == 8 * MISTRAL.parameters * 16_384 + 9 * 32 * 4_096 * 16_384**2
    assert operations(MISTRAL, Setup(checkpointing=False), 16_384, 0) == 6 * MISTRAL.parameters * 16_384
    assert operations(MISTRAL, Setup(trained=1), 16_384, 0) == 6 * MISTRAL.parameters * 16_384


def test_time_scales_with_gpus_and_their_speed():
    lengths = np.linspace(4_096, 32_768, 1_000)
    one = seconds(MISTRAL, lengths, Setup(), GPUS["A100-80G"], 0.4, 1.0)
    # 206 GPU-days for 1.75M examples, a fifth of them short, at 40% of an A100: about 10 s an example
    assert 10 < one / 1_000 < 15
    assert seconds(MISTRAL, lengths, Setup(gpus=16), GPUS["A100-80G"], 0.4, 1.0) == pytest.approx(one / 16)
    assert seconds(MISTRAL, lengths, Setup(), GPUS["H100-80G"], 0.4, 0.5) == pytest.approx(one * 2 * 312 / 989)


def test_mixture_of_experts_uses_its_active_weights():
    sparse = replace(MISTRAL, parameters=46_700_000_000, active=12_900_000_000)
    assert operations(sparse, Setup(), 1, 0) == 8 * 12_900_000_000
    assert memory(sparse, Setup(), 1, 1).weights == 2 * 46_700_000_000


def test_gpus_match_their_names():
    assert GPUS["A100-40G"].memory == 40 * GIB and GPUS["A100-80G"].memory == 80 * GIB
    assert all(name == gpu.name and gpu.memory > 20 * GIB and gpu.tflops > 50 for name, gpu in GPUS.items())
    assert isinstance(MISTRAL, ModelShape) and MISTRAL.embeddings == 2 * 32_000 * 4_096
