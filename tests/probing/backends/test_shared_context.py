"""Answers over a shared cache are those of `model.generate` on each prompt alone."""

import random

import pytest
import torch
from transformers import LlamaConfig, MistralConfig, Qwen2Config

from in2_plugin.probing.backends import shared_context
from in2_plugin.probing.backends.comparison import differs_by
from in2_plugin.probing.backends.shared_context import Decoding, SharedContext, cache_argument
from tests.support.tiny_lm import SHAPE, VOCABULARY, random_model

ENDS = frozenset(range(5, VOCABULARY, 8))
"""So many that answers end at different steps."""
MODELS = {
    "mistral": (MistralConfig(sliding_window=None, **SHAPE), "sdpa", 1.0),
    "llama": (LlamaConfig(**SHAPE), "eager", 1.0),
    "qwen2": (Qwen2Config(**SHAPE), "sdpa", 1.3),
    "qwen2 eager": (Qwen2Config(**SHAPE), "eager", 1.1),
}


def tokens(rng: random.Random, n: int) -> list[int]:
    return rng.choices(range(3, VOCABULARY), k=n)


def alone(model, prompt: list[int], decoding: Decoding) -> list[int]:
    """What transformers generates."""
    ids = torch.tensor([prompt])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=decoding.max_new_tokens,
        eos_token_id=sorted(decoding.ends), pad_token_id=0, repetition_penalty=decoding.repetition_penalty,
    )  # fmt: skip
    return out[0, len(prompt) :].tolist()


@pytest.fixture(params=MODELS)
def case(request):
    config, attention, penalty = MODELS[request.param]
    return random_model(config, attention), Decoding(12, ENDS, penalty)


def test_the_same_tokens_as_generate(case, monkeypatch):
    """Many questions, of one token to more than are read at once, in one batch and in two, about two contexts."""
    model, decoding = case
    monkeypatch.setattr(shared_context, "READ_AT_ONCE", 64)
    rng = random.Random(1)
    for length in (150, 1):
        context = tokens(rng, length)
        tails = [tokens(rng, n) for n in (1, 2, 90, *(rng.randrange(1, 30) for _ in range(12)))]
        expected = [alone(model, [*context, *tail], decoding) for tail in tails]
        shared = SharedContext(model, model.config, context, cache_argument(model))
        assert shared.answers(tails, decoding) == expected
        assert len({len(answer) for answer in expected}) > 2 and len({tuple(answer) for answer in expected}) > 5
        assert shared.answers(tails[:4], decoding) + shared.answers(tails[4:], decoding) == expected
        assert shared.answers(tails[:1], decoding) == expected[:1]


def test_logits_are_those_of_a_full_forward(case):
    model, _ = case
    rng = random.Random(2)
    context, tails = tokens(rng, 100), [tokens(rng, 7) for _ in range(5)]
    found = SharedContext(model, model.config, context, cache_argument(model)).first_logits(tails)
    assert found.shape == (5, VOCABULARY) and found.dtype == torch.float32
    with torch.no_grad():
        rows = [model(torch.tensor([[*context, *tail]])).logits[0, -1] for tail in tails]
        without_one = model(torch.tensor([[*context[1:], *tails[-1]]])).logits[0, -1]
    assert max(differs_by(a, b) for a, b in zip(found, rows, strict=True)) < 1e-4
    assert differs_by(found[-1], without_one) > 0.1


def test_a_question_stops_where_it_is_told_to_and_the_others_go_on():
    model = random_model(LlamaConfig(**SHAPE))
    rng = random.Random(3)
    context, tails = tokens(rng, 60), [tokens(rng, 5) for _ in range(4)]
    decoding = Decoding(9, frozenset())
    full = SharedContext(model, model.config, context, cache_argument(model)).answers(tails, decoding)
    assert [len(answer) for answer in full] == [9] * 4
    asked = []

    def stop(question, answer):
        asked.append((question, len(answer)))
        return question == 2 and len(answer) == 3

    assert SharedContext(model, model.config, context, cache_argument(model)).answers(tails, decoding, stop) == [
        full[0], full[1], full[2][:3], full[3],
    ]  # fmt: skip
    assert (2, 3) in asked and (2, 4) not in asked and (3, 8) in asked
