"""Attention to a context and to a question's own tokens, apart, is attention to both at once."""

import pytest
import torch
from transformers import LlamaConfig
from transformers.cache_utils import DynamicCache

from in2_plugin.probing.backends import split_attention
from in2_plugin.probing.backends.split_attention import NAME, SplitAttention, TokenGrid
from tests.support.tiny_lm import SHAPE, random_model

HEADS, KEY_HEADS, WIDTH = 6, 2, 8
CONTEXT = 11
SCALING = 0.3


def entries(*shape: int) -> torch.Tensor:
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(sum(shape)))


def expected(query, keys, values):
    """The attention of one token, (heads, width), to (key heads, tokens, width), by torch."""
    return torch.nn.functional.scaled_dot_product_attention(
        query[None, :, None], keys[None], values[None], scale=SCALING, enable_gqa=True
    )[0, :, 0]


@pytest.fixture(params=[(8, 2**26), (5, 2**26), (5, 1)], ids=["fused", "in steps", "row by row"])
def split(request, monkeypatch):
    """Three questions after a context, with a model of one layer. Values as wide as keys use torch's fused kernel."""
    width, scores = request.param
    monkeypatch.setattr(split_attention, "SCORES_AT_ONCE", scores)
    cache = DynamicCache()
    cache.update(entries(KEY_HEADS, CONTEXT, WIDTH), entries(KEY_HEADS, CONTEXT, width), 0)
    return cache, SplitAttention(cache, LlamaConfig(**SHAPE), questions=3, room=9)


def test_every_token_sees_the_context_and_its_question_up_to_itself(split):
    """Questions of 4, 1 and 2 tokens in two passes, then a token of the first and the last: each against torch."""
    cache, attention = split
    context = cache.layers[0]
    of_values = context.values.shape[-1]
    own = dict.fromkeys(range(3), (context.keys[0, :, :0], context.values[0, :, :0]))
    passes = [([0, 0, 0], [0, 1, 2]), ([0, 1, 2, 2], [3, 0, 0, 1]), ([0, 2], [4, 2])]
    for number, (owners, places) in enumerate(passes):
        n = len(owners)
        query, key, value = (entries(heads, n, w) + number for heads, w in
                             ((HEADS, WIDTH), (KEY_HEADS, WIDTH), (KEY_HEADS, of_values)))  # fmt: skip
        found = attention.attend(0, query, key, value, SCALING, TokenGrid.of(owners, places, "cpu"))
        assert found.shape == (1, n, HEADS, of_values)
        for index, owner in enumerate(owners):
            new = key[0, :, [index]], value[0, :, [index]]
            own[owner] = tuple(torch.cat([old, more], dim=1) for old, more in zip(own[owner], new, strict=True))
            seen = (
                torch.cat([a[0], b], dim=1) for a, b in zip((context.keys, context.values), own[owner], strict=True)
            )
            torch.testing.assert_close(found[0, index], expected(query[0, :, index], *seen))


def test_the_grid_has_a_cell_for_each_token():
    grid = TokenGrid.of([3, 3, 5], [7, 8, 0], "cpu")
    assert (grid.first, grid.shape) == (3, (3, 2))
    assert grid.cells.tolist() == [0, 1, 4]
    assert grid.seen.sum(dim=-1).flatten().tolist() == [8, 9, 1, 1, 1, 1]


def test_the_models_own_attention_is_restored(split):
    _, attention = split
    config = attention._config
    with pytest.raises(KeyError), attention.reading(TokenGrid.of([0], [0], "cpu")):
        assert config._attn_implementation == NAME
        raise KeyError
    assert config._attn_implementation != NAME


@pytest.mark.parametrize("others", [{"softcap": 30.0}, {"s_aux": torch.zeros(2)}])
def test_an_attention_that_does_more_is_refused(split, others):
    with pytest.raises(NotImplementedError, match=f"attention with {next(iter(others))} cannot be split"):
        split_attention._attend(None, entries(2, 1, 8), entries(2, 1, 8), entries(2, 1, 8), None, **others)


def test_a_mask_that_the_model_makes_is_refused():
    model = random_model(LlamaConfig(**SHAPE))
    ids, mask = torch.tensor([[7, 8]]), torch.ones(1, 1, 2, 2, dtype=torch.bool)
    attention = SplitAttention(DynamicCache(), model.config, questions=1, room=2)
    with attention.reading(TokenGrid.of([0, 0], [0, 1], "cpu")), pytest.raises(NotImplementedError, match="a mask of"):
        model(input_ids=ids, attention_mask=mask, use_cache=False)
