"""Tiny models with random weights, and their tokenizer, in folders that transformers and lm_eval load."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedConfig

from in2_plugin.probing.probes.items import read_items
from in2_plugin.probing.probes.registry import PROBES
from tests.support import vocabularies

VOCABULARY = 2_000
SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1_024, "bos_token_id": 1,
    "eos_token_id": 2, "pad_token_id": 2,
}  # fmt: skip
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)


def random_model(config: PreTrainedConfig, attention: str = "sdpa") -> Any:
    """A model in float32 whose weights are large enough that contexts matter and answers differ."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.mul_(3)
    return model


def save(config: PreTrainedConfig, folder: Path, **generation: Any) -> Path:
    """Model, tokenizer with a chat template, and generation configuration."""
    texts = [item.text for probe in PROBES.values() for item in read_items(probe)[:500]]
    tokenizer = vocabularies.byte_level(
        texts, vocabularies.QWEN2_REGEX, ["<unk>", "<s>", "</s>"], vocab_size=VOCABULARY
    )
    settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
    vocabularies.save(tokenizer, folder, CHAT_TEMPLATE, **settings)
    model = random_model(config)
    model.generation_config = GenerationConfig(**{"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2} | generation)
    model.save_pretrained(folder)
    return folder
