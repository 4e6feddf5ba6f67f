"""Prefill one context once and answer many questions about it: greedy decoding over a shared key-value cache.

The questions follow the context in one row, each at the positions it would have alone, and a mask lets every token see
the context and the earlier tokens of its own question. Invariant: a question gets the tokens that `model.generate`
would generate for it alone (greedy), up to rounding. Cost: the cache of one context and of the questions' own tokens
(the context's is never copied), and one forward pass per generated token of all questions.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer
from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

READ_AT_ONCE = 512
"""Question tokens per forward pass: limits a mask over 48K entries to 25 MB."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """Settings of greedy decoding."""

    max_new_tokens: int
    ends: frozenset[int]
    """Token ids that end an answer and are kept as its last token."""
    repetition_penalty: float = 1.0
    """As in `GenerationConfig`, over the whole prompt; 1.0 is none."""


class SharedLayer(DynamicLayer):  # type: ignore[misc]  # transformers is not typed
    """Keys and values of one layer, written in place into preallocated memory: growing copies nothing."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate `room` entries, (1, heads, room, width), with dtype and device of the first ones."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = (
            states.new_empty((*states.shape[:-2], self.room, states.shape[-1])) for states in (key_states, value_states)
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append entries and return views of all so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[-2]
        self.keys[..., self.length : end, :] = key_states
        self.values[..., self.length : end, :] = value_states
        self.length = end
        return self.keys[..., :end, :], self.values[..., :end, :]

    def get_seq_length(self) -> int:
        return self.length


class SharedContext:
    """A context in the cache of a model, with room for questions after it.

    Args:
        forward: the model, called with keyword arguments as a causal language model of transformers.
        context: its token ids, at least one.
        room: cache entries for the questions and answers of one batch together.
        cache_argument: name of the model's argument for the cache; see `cache_argument`.
        device: device of the token ids.
        boolean_mask: True for attention with a boolean mask (sdpa), False for an additive one (eager).
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        context: Sequence[int],
        room: int,
        cache_argument: str,
        device: torch.device | str = "cpu",
        boolean_mask: bool = True,
    ) -> None:
        self._forward, self._device, self._boolean = forward, device, boolean_mask
        self._cache_argument = cache_argument
        self._length = len(context)
        self._cache = Cache(layer_class_to_replicate=partial(SharedLayer, len(context) + room))
        self._owners = torch.full((room,), -1, device=device)
        self._distinct = torch.tensor(sorted(set(context)), device=device)
        self._run(context, range(self._length), None, [self._length - 1])

    def first_logits(self, tails: Sequence[Sequence[int]]) -> torch.Tensor:
        """Discard all questions, read new ones, and return the (n_questions, vocabulary) float32 logits after each.

        `tails` are the token ids after the context, at least one each.
        """
        for layer in self._cache.layers:
            layer.length = self._length
        tokens = [token for tail in tails for token in tail]
        owners = [question for question, tail in enumerate(tails) for _ in tail]
        positions = [self._length + place for tail in tails for place in range(len(tail))]
        lasts = [index for index in range(len(tokens)) if index + 1 == len(tokens) or owners[index] < owners[index + 1]]
        return torch.cat(
            [
                self._read(
                    tokens[start : start + READ_AT_ONCE],
                    positions[start : start + READ_AT_ONCE],
                    owners[start : start + READ_AT_ONCE],
                    [last - start for last in lasts if start <= last < start + READ_AT_ONCE],
                )
                for start in range(0, len(tokens), READ_AT_ONCE)
            ]
        )

    def answers(
        self,
        tails: Sequence[Sequence[int]],
        decoding: Decoding,
        stop: Callable[[int, Sequence[int]], bool] = lambda question, answer: False,
    ) -> list[list[int]]:
        """Return the token ids of every answer; `stop(question index, answer)` is called after each token."""
        answers: list[list[int]] = [[] for _ in tails]
        logits, going = self.first_logits(tails), list(range(len(tails)))
        while True:
            tokens = self._choose(logits, [[*tails[question], *answers[question]] for question in going], decoding)
            for question, token in zip(going, tokens, strict=True):
                answers[question].append(token)
            going = [
                question
                for question in going
                if answers[question][-1] not in decoding.ends
                and len(answers[question]) < decoding.max_new_tokens
                and not stop(question, answers[question])
            ]
            if not going:
                return answers
            newest = [answers[question][-1] for question in going]
            places = [self._length + len(tails[question]) + len(answers[question]) - 1 for question in going]
            logits = self._read(newest, places, going, range(len(going)))

    def _choose(self, logits: torch.Tensor, own: Sequence[Sequence[int]], decoding: Decoding) -> list[int]:
        if decoding.repetition_penalty != 1.0:
            logits = penalized(logits, self._seen(own), decoding)
        return [int(token) for token in logits.argmax(dim=-1).tolist()]

    def _seen(self, own: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the ids in each prompt, padded with repeats: the penalty ignores repetitions."""
        longest = max(map(len, own))
        rows = torch.tensor([[*ids, *[ids[0]] * (longest - len(ids))] for ids in own], device=self._device)
        return torch.cat([self._distinct.expand(len(own), -1), rows], dim=1)

    def _read(
        self, tokens: Sequence[int], positions: Sequence[int], owners: Sequence[int], keep: Sequence[int]
    ) -> torch.Tensor:
        """Append question tokens and return float32 logits at the indices `keep`."""
        start = self._cache.get_seq_length() - self._length
        self._owners[start : start + len(tokens)] = torch.tensor(owners, device=self._device)
        return self._run(tokens, positions, self._mask(start, start + len(tokens)), keep)

    def _mask(self, start: int, stop: int) -> torch.Tensor:
        """Return the mask of question tokens `start` to `stop`, (1, 1, stop - start, context + stop)."""
        order = torch.arange(stop, device=self._device)
        same = self._owners[:stop][None, :] == self._owners[start:stop][:, None]
        seen = torch.ones(stop - start, self._length + stop, dtype=torch.bool, device=self._device)
        seen[:, self._length :] = same & (order[None, :] <= order[start:][:, None])
        mask = seen[None, None]
        if self._boolean:
            return mask
        layer = self._cache.layers[0]
        return torch.zeros_like(mask, dtype=layer.dtype).masked_fill_(~mask, torch.finfo(layer.dtype).min)

    def _run(
        self, tokens: Sequence[int], positions: Sequence[int], mask: torch.Tensor | None, keep: Sequence[int]
    ) -> torch.Tensor:
        with torch.no_grad():
            out = self._forward(
                input_ids=torch.tensor([list(tokens)], device=self._device),
                position_ids=torch.tensor([list(positions)], device=self._device),
                attention_mask=mask,
                use_cache=True,
                logits_to_keep=torch.tensor(list(keep), dtype=torch.long, device=self._device),
                **{self._cache_argument: self._cache},
            )
        logits: torch.Tensor = out.logits[0]
        return logits.to(torch.float32)


def cache_argument(model: Any) -> str:
    """Return the name of the argument of `model.forward` for the cache: `past_key_values` before transformers 5.24."""
    takes = inspect.signature(without_adapter(model).forward).parameters
    return "cache" if "cache" in takes else "past_key_values"


def without_adapter(model: Any) -> Any:
    """Return the model below an adapter of PEFT, or the model."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def penalized(logits: torch.Tensor, seen: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Return (rows, vocabulary) logits after the repetition penalty for `seen`, (rows, ids); repeats do not matter."""
    if decoding.repetition_penalty == 1.0:
        return logits
    penalty = RepetitionPenaltyLogitsProcessor(decoding.repetition_penalty)
    scores: torch.Tensor = penalty(seen.to(logits.device), logits)
    return scores
