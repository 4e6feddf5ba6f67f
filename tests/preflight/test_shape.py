"""Model shapes, counted from transformers models on the meta device."""

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen3Config, Qwen3MoeConfig

from in2_plugin.errors import ConfigError
from in2_plugin.preflight.loading import load_config
from in2_plugin.preflight.shape import read_model, shape_of


def shape(config):
    with torch.device("meta"):
        return shape_of(config, AutoModelForCausalLM.from_config(config))


def test_mistral_7b():
    found = shape(MistralConfig(vocab_size=32_000))
    assert (found.layers, found.hidden, found.kv_heads, found.head_dim) == (32, 4_096, 8, 128)
    assert found.parameters == found.active == 7_241_732_096
    assert not found.tied and not found.qk_norm


def test_tied_embeddings_and_explicit_head_dim():
    found = shape(Qwen3Config(hidden_size=1_024, num_hidden_layers=2, head_dim=128, tie_word_embeddings=True))
    assert found.tied and found.qk_norm and found.attention_width == 32 * 128
    assert found.embeddings == found.vocabulary * 1_024
    assert shape(LlamaConfig(num_hidden_layers=1, num_key_value_heads=None)).kv_heads == 32


def test_only_chosen_experts_are_active():
    config = Qwen3MoeConfig(num_hidden_layers=2, num_experts=16, num_experts_per_tok=2, moe_intermediate_size=64)
    found = shape(config)
    experts = 2 * 16 * 3 * 64 * config.hidden_size
    assert found.parameters - found.active == experts * 14 // 16
    assert found.intermediate == 2 * 64


def test_adapter_weights(axolotl_file):
    lora = {"adapter": "lora", "lora_r": 4, "lora_alpha": 8}
    every = read_model(load_config(axolotl_file(**lora, lora_target_linear=True))).adapter
    some = read_model(load_config(axolotl_file(**lora, lora_target_modules=["q_proj", "v_proj"]))).adapter
    assert some == 2 * 4 * ((64 + 64) + (64 + 32))
    assert every == 2 * 4 * ((64 + 64) * 2 + (64 + 32) * 2 + (64 + 128) * 3)
    saved = read_model(
        load_config(axolotl_file(**lora, lora_target_modules=["q_proj"], lora_modules_to_save=["embed_tokens"]))
    ).adapter
    assert saved == 2 * 4 * 128 + 32_000 * 64
    assert read_model(load_config(axolotl_file())).adapter == 0


def test_overrides_are_applied(axolotl_file):
    cfg = load_config(axolotl_file(overrides_of_model_config={"sliding_window": 512}))
    assert read_model(cfg).config.sliding_window == 512


def test_model_without_a_decoder_config(axolotl_file):
    cfg = load_config(axolotl_file())
    cfg.base_model_config = "no/such/model"
    with pytest.raises(ConfigError, match="is not that of a decoder-only transformer"):
        read_model(cfg)
