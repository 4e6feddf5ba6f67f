"""Hold the configs of the recipes' base models, so that planning needs no network.

Source: the `config.json` that each model's publisher has on the Hugging Face hub. Invariant: the parameter counts equal
those of the model that transformers builds from the same config, and the numbers that the publishers state (tests
compare both).
"""

from collections.abc import Mapping
from typing import Any

from in2_plugin.preflight.costs import ModelShape

_MISTRAL = {
    "model_type": "mistral", "architectures": ["MistralForCausalLM"], "hidden_size": 4_096,
    "intermediate_size": 14_336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    "vocab_size": 32_000, "max_position_embeddings": 32_768, "rms_norm_eps": 1e-5, "tie_word_embeddings": False,
    "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
_LLAMA_3 = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4_096, "intermediate_size": 14_336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128_256,
    "max_position_embeddings": 131_072, "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "hidden_act": "silu",
    "bos_token_id": 128_000, "eos_token_id": [128_001, 128_008, 128_009], "rope_theta": 500_000.0,
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                     "original_max_position_embeddings": 8_192},
}  # fmt: skip
_QWEN3 = {
    "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "num_hidden_layers": 36, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936, "max_position_embeddings": 40_960,
    "rms_norm_eps": 1e-6, "rope_theta": 1_000_000, "hidden_act": "silu", "attention_bias": False,
    "use_sliding_window": False, "sliding_window": None, "bos_token_id": 151_643, "eos_token_id": 151_645,
}  # fmt: skip
_QWEN3_4B = {**_QWEN3, "hidden_size": 2_560, "intermediate_size": 9_728, "tie_word_embeddings": True}
_QWEN3_8B = {**_QWEN3, "hidden_size": 4_096, "intermediate_size": 12_288, "tie_word_embeddings": False}

CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "mistralai/Mistral-7B-Instruct-v0.1": {**_MISTRAL, "rope_theta": 10_000.0, "sliding_window": 4_096},
    "mistralai/Mistral-7B-Instruct-v0.2": {**_MISTRAL, "rope_theta": 1_000_000.0, "sliding_window": None},
    "meta-llama/Llama-3.1-8B-Instruct": _LLAMA_3,
    "Qwen/Qwen3-4B": _QWEN3_4B,
    "Qwen/Qwen3-4B-Instruct-2507": {**_QWEN3_4B, "max_position_embeddings": 262_144, "rope_theta": 5_000_000},
    "Qwen/Qwen3-8B": _QWEN3_8B,
}
"""The keys of each model's `config.json` that determine its shape."""


def published_shape(name: str) -> ModelShape | None:
    """Return the shape of a model of CONFIGS; None for any other model."""
    config = CONFIGS.get(name)
    return None if config is None else dense_shape(config)


def dense_shape(config: Mapping[str, Any]) -> ModelShape:
    """Return the shape of a dense decoder with a gated MLP and no biases, from its config alone."""
    hidden, heads, layers = config["hidden_size"], config["num_attention_heads"], config["num_hidden_layers"]
    size = config.get("head_dim") or hidden // heads
    keys, queries = config["num_key_value_heads"] * size, heads * size
    normed = config["model_type"] == "qwen3"
    layer = (
        2 * hidden * (queries + keys)
        + 3 * hidden * config["intermediate_size"]
        + 2 * hidden
        + (2 * size if normed else 0)
    )
    tied = bool(config["tie_word_embeddings"])
    parameters = layers * layer + hidden + config["vocab_size"] * hidden * (1 if tied else 2)
    return ModelShape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=config["num_key_value_heads"],
        head_dim=size,
        intermediate=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        parameters=parameters,
        active=parameters,
        tied=tied,
        qk_norm=normed,
    )


def adapter_weights(shape: ModelShape, rank: int, targets: frozenset[str]) -> int:
    """Return the number of LoRA weights of a rank, for linear layers of these names in every decoder layer."""
    width, keys = shape.attention_width, shape.key_width
    sides = {
        "q_proj": shape.hidden + width, "k_proj": shape.hidden + keys, "v_proj": shape.hidden + keys,
        "o_proj": width + shape.hidden, "gate_proj": shape.hidden + shape.intermediate,
        "up_proj": shape.hidden + shape.intermediate, "down_proj": shape.intermediate + shape.hidden,
    }  # fmt: skip
    return rank * shape.layers * sum(size for name, size in sides.items() if name in targets)


LINEAR = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})
"""The linear layers of a decoder layer: `lora_target_linear` and `all-linear`."""
