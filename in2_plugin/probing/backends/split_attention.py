"""Attention of many questions to a context that they share and of each to its own tokens, apart, then merged.

A softmax over two sets of keys is the softmax over each, weighted by their sums of exponentials: exact up to rounding
(Hydragen, arXiv 2402.05099, section 3.1). So the context's keys are read by one matrix product for all questions,
without a mask or a copy, and no question's query meets the keys of another. While `SplitAttention.reading` is active,
transformers calls `_attend` in place of the model's own attention function.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from transformers.cache_utils import Cache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "in2_split"
"""In transformers' registry of attention functions."""
SCORES_AT_ONCE = 2**26
"""Scores of queries and the context's keys in memory: 256 MiB in float32."""
NOT_SUPPORTED = ("softcap", "s_aux", "position_bias")
"""Arguments of attention functions that change its result."""


@dataclass(frozen=True, slots=True)
class TokenGrid:
    """The tokens of one forward pass, of consecutive questions, and their cells in a grid (questions, widest)."""

    first: int
    """The first question."""
    shape: tuple[int, int]
    owners: torch.Tensor
    """(tokens,) question of each token."""
    places: torch.Tensor
    """(tokens,) its index among the question's own tokens."""
    cells: torch.Tensor
    """(tokens,) its index in the flat grid."""
    seen: torch.Tensor
    """(questions, 1, widest, own tokens so far) True where a cell sees a token of its question."""

    @classmethod
    def of(cls, owners: Sequence[int], places: Sequence[int], device: torch.device | str) -> "TokenGrid":
        """Lay out tokens that are ordered by owner, then by place."""
        columns = [column for _, own in groupby(owners) for column, _ in enumerate(own)]
        questions, widest = owners[-1] - owners[0] + 1, max(columns) + 1
        cells = torch.tensor(
            [(o - owners[0]) * widest + c for o, c in zip(owners, columns, strict=True)], device=device
        )
        place = torch.tensor(places, device=device)
        last_seen = place.new_zeros(questions * widest).index_copy(0, cells, place)  # an empty cell sees one key
        seen = torch.arange(max(places) + 1, device=device) <= last_seen[:, None]
        seen = seen.view(questions, 1, widest, -1)
        return cls(owners[0], (questions, widest), torch.tensor(owners, device=device), place, cells, seen)


class SplitAttention:
    """Keys and values of a context and of the own tokens of questions after it, for every layer of a model.

    Args:
        context: the cache of the context alone, batch 1.
        config: the configuration that the model's attention layers read.
        questions: number of questions.
        room: most own tokens of a question.
    """

    def __init__(self, context: Cache, config: Any, questions: int, room: int) -> None:
        self._context, self._config = context, config
        self._own = [_OwnEntries(questions, room) for _ in context.layers]

    @contextmanager
    def reading(self, grid: TokenGrid) -> Iterator[None]:
        """Within this block, a forward pass without a cache reads the tokens of `grid` after the context."""
        before, token = self._config._attn_implementation, _READING.set((self, grid))
        self._config._attn_implementation = NAME
        try:
            yield
        finally:
            self._config._attn_implementation = before
            _READING.reset(token)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float, grid: TokenGrid
    ) -> torch.Tensor:
        """Store the new entries of a layer and return (1, tokens, heads, width of values).

        `query` is (1, heads, tokens, width), `key` and `value` (1, key heads, tokens, width), after rotation.
        """
        keys, values = self._own[layer].add(key[0], value[0], grid)
        queries = (query[0] * scaling).unflatten(0, (len(key[0]), -1))  # (key heads, group, tokens, width)
        context = self._context.layers[layer]
        from_context, context_sum = _over_context(queries, context.keys, context.values)
        from_own, own_sum = _over_own(queries, keys, values, grid)
        merged = from_own.lerp(from_context, torch.sigmoid(context_sum - own_sum))
        return merged.permute(2, 0, 1, 3).flatten(1, 2)[None].to(query.dtype)


class _OwnEntries:
    """Keys and values of one layer, (questions, key heads, room, width)."""

    def __init__(self, questions: int, room: int) -> None:
        self._questions, self._room = questions, room
        self._both: tuple[torch.Tensor, torch.Tensor] | None = None

    def add(self, key: torch.Tensor, value: torch.Tensor, grid: TokenGrid) -> tuple[torch.Tensor, torch.Tensor]:
        """Write entries, (key heads, tokens, width), and return views of those of the grid's questions so far."""
        if self._both is None:  # zeros: an empty cell of the grid may see an entry that is not written yet
            self._both = tuple(
                new.new_zeros(self._questions, len(new), self._room, new.shape[-1]) for new in (key, value)
            )
        assert self._both is not None
        owners, places = grid.owners.to(key.device), grid.places.to(key.device)
        for entries, new in zip(self._both, (key, value), strict=True):
            entries[owners, :, places] = new.transpose(0, 1).to(entries.dtype)
        here = slice(grid.first, grid.first + grid.shape[0])
        keys, values = (entries[here, :, : grid.seen.shape[-1]] for entries in self._both)
        return keys, values


def _over_context(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the attention of (key heads, group, tokens, width) to (1, key heads, context, width), and log-sum-exps."""
    shape = queries.shape[1:3]
    attended, sums = _attention(queries.flatten(1, 2)[None], keys, values)
    return attended[0].unflatten(1, shape), sums[0].unflatten(1, shape)


def _over_own(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, grid: TokenGrid
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the attention of each token to (questions, key heads, own tokens, width), and its log-sum-exp."""
    cells = grid.cells.to(queries.device)
    heads, group, _, width = queries.shape
    table = queries.new_zeros(grid.shape[0] * grid.shape[1], heads, group, width)
    table[cells] = queries.permute(2, 0, 1, 3)
    rows = (
        table.unflatten(0, grid.shape).permute(0, 2, 3, 1, 4).flatten(2, 3)
    )  # (questions, heads, group * widest, width)
    unseen = torch.zeros_like(grid.seen, dtype=rows.dtype).masked_fill_(~grid.seen, -torch.inf).to(rows.device)
    parts = _attention(rows, keys, values, unseen.repeat(1, 1, group, 1))
    attended, sums = (
        part.unflatten(2, (group, -1)).permute(0, 3, 1, 2, 4).flatten(0, 1)[cells].permute(1, 2, 0, 3) for part in parts
    )
    return attended, sums


def _attention(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return float32 attention, (batch, heads, queries, width of values), and the logarithms of the softmax's sums.

    On the CPU, torch's fused kernel is three times as fast, or more, as the products and the softmax one by one.
    """
    if queries.device.type == "cpu" and queries.shape[-1] == values.shape[-1]:
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        attended, sums = fused(queries, keys, values, attn_mask=bias, scale=1.0)
        return attended.float(), sums[..., None]
    at_once = queries.shape[2] if bias is not None else max(1, SCORES_AT_ONCE // (keys.shape[1] * keys.shape[2]))
    parts = [_softmax(some, keys, values, bias) for some in queries.split(at_once, dim=2)]
    attended, sums = (torch.cat(part, dim=2) for part in zip(*parts, strict=True))
    return attended, sums


def _softmax(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    scores = torch.matmul(queries, keys.mT).float()
    if bias is not None:
        scores += bias
    sums = scores.logsumexp(dim=-1, keepdim=True)
    return torch.matmul((scores - sums).exp_().to(values.dtype), values).float(), sums


_READING: ContextVar[tuple[SplitAttention, TokenGrid]] = ContextVar("in2_split_attention")


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """Stand in for an attention function of transformers.

    Raises:
        NotImplementedError: this model's attention is more than a softmax over all earlier tokens.
    """
    others = [name for name in NOT_SUPPORTED if settings.get(name) is not None]
    if attention_mask is not None or others:
        raise NotImplementedError(f"attention with {', '.join(others) or 'a mask of the model'} cannot be split")
    split, grid = _READING.get()
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    return split.attend(module.layer_idx, query, key, value, scaling, grid), None


ALL_ATTENTION_FUNCTIONS.register(NAME, _attend)
