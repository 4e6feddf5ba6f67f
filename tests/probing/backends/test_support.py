"""Models and settings that can share a cache, and the reasons of others."""

import pytest
from transformers import (
    BloomConfig,
    Gemma3TextConfig,
    GenerationConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
    T5Config,
    T5ForConditionalGeneration,
)

from in2_plugin.probing.backends.shared_context import Decoding
from in2_plugin.probing.backends.support import decoding_for, reason_against
from tests.support.tiny_lm import SHAPE, random_model

LLAMA = LlamaConfig(**SHAPE)


@pytest.mark.parametrize(
    "config",
    [LLAMA, MistralConfig(sliding_window=None, **SHAPE), Qwen2Config(**SHAPE), Qwen3Config(head_dim=16, **SHAPE)],
    ids=lambda config: config.model_type,
)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_plain_attention_over_everything_is_supported(config, attention):
    assert reason_against(random_model(config, attention), longest=1_024) is None


def test_a_window_counts_where_prompts_reach_beyond_it():
    model = random_model(MistralConfig(sliding_window=512, **SHAPE))
    assert reason_against(model, longest=512) is None
    assert reason_against(model, longest=513) == "its attention window of 512 is shorter than 513 tokens"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (Gemma3TextConfig(head_dim=16, **SHAPE), "it has layers of type sliding_attention"),
        (
            LlamaConfig(**SHAPE, rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}),
            "the angles of its `dynamic` rotary embedding depend on the length of the prompt",
        ),
        (MambaConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1), "its forward does not take position_ids"),
        (BloomConfig(vocab_size=50, hidden_size=16, n_layer=1, n_head=2), "its forward does not take position_ids"),
    ],
    ids=lambda value: getattr(value, "model_type", None),
)
def test_the_reason_against_others(config, reason):
    attention = "eager" if config.model_type in ("mamba", "bloom") else "sdpa"
    assert reason_against(random_model(config, attention), longest=10).startswith(reason)


def test_a_model_with_an_attention_of_its_own_is_refused(monkeypatch):
    model = random_model(LlamaConfig(**SHAPE))
    monkeypatch.setattr(type(model), "_supports_attention_backend", False)
    assert reason_against(model, 10) == "transformers cannot replace its attention function"


def test_an_encoder_decoder_is_refused():
    model = T5ForConditionalGeneration(T5Config(vocab_size=50, d_model=16, d_ff=16, num_layers=1, num_heads=2))
    assert reason_against(model, 10) == "it is an encoder-decoder model"


def test_greedy_decoding_with_the_models_own_ends_and_penalty():
    settings = GenerationConfig(
        do_sample=True,
        temperature=0.6,
        top_p=0.9,
        top_k=20,
        bos_token_id=1,
        eos_token_id=[2, 3],
        repetition_penalty=1.1,
    )
    assert decoding_for(settings, {"do_sample": False}, 20) == Decoding(20, frozenset({2, 3}), 1.1)
    assert decoding_for(GenerationConfig(eos_token_id=2), {}, 5) == Decoding(5, frozenset({2}), 1.0)
    assert decoding_for(GenerationConfig(), {"repetition_penalty": 1.2}, 5) == Decoding(5, frozenset(), 1.2)
    neutral = {"num_beams": 1, "min_length": 0, "no_repeat_ngram_size": 0, "length_penalty": 1.0}
    assert decoding_for(GenerationConfig(**neutral), {}, 5) == Decoding(5, frozenset())
    assert settings.do_sample  # the model's own configuration is left alone


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"do_sample": True, "temperature": 0.7}, "answers are sampled"),
        ({"num_beams": 4}, "`num_beams=4` is set for generation"),
        ({"no_repeat_ngram_size": 3}, "`no_repeat_ngram_size=3` is set for generation"),
        ({"suppress_tokens": [0]}, "`suppress_tokens=[0]` is set for generation"),
        ({"forced_eos_token_id": 0}, "`forced_eos_token_id=0` is set for generation"),
        ({"min_new_tokens": 1}, "`min_new_tokens=1` is set for generation"),
        ({"renormalize_logits": True}, "`renormalize_logits=True` is set for generation"),
        ({"cache_implementation": "quantized"}, "`cache_implementation=quantized` is set for generation"),
        ({"max_length": 9}, "`max_length` is among the generation arguments"),
        ({"answer_well": True}, "`answer_well` is among the generation arguments"),
    ],
)
def test_every_other_setting_is_a_reason(given, reason):
    assert decoding_for(GenerationConfig(), given, 20) == reason
    if "answer_well" not in given and "max_length" not in given:
        assert decoding_for(GenerationConfig(**given), {}, 20) == reason
