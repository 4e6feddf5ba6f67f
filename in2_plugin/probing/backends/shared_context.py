"""Prefill one context once and answer many questions about it: greedy decoding over shared keys and values.

The new tokens of all questions are one row, each at the position it would have alone; `split_attention.py` lets every
token see the context and the earlier tokens of its own question. Invariant: a question gets the tokens that
`model.generate` would generate for it alone (greedy), up to rounding. Cost: keys and values of one context and of the
questions' own tokens (the context's are never copied), and one forward pass per generated token of all questions.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import DynamicCache
from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

from in2_plugin.probing.backends.split_attention import SplitAttention, TokenGrid

READ_AT_ONCE = 512
"""Question tokens per forward pass."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """Settings of greedy decoding."""

    max_new_tokens: int
    ends: frozenset[int]
    """Token ids that end an answer and are kept as its last token."""
    repetition_penalty: float = 1.0
    """As in `GenerationConfig`, over the whole prompt; 1.0 is none."""


class SharedContext:
    """Keys and values of a context, and the model that answers questions after it.

    Args:
        forward: the model, called with keyword arguments as a causal language model of transformers.
        config: the configuration that its attention layers read.
        context: token ids, at least one.
        cache_argument: name of the model's argument for the cache; see `cache_argument`.
        device: device of the token ids.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        config: Any,
        context: Sequence[int],
        cache_argument: str,
        device: torch.device | str = "cpu",
    ) -> None:
        self._forward, self._config, self._device = forward, config, device
        self._length = len(context)
        self._distinct = torch.tensor(sorted(set(context)), device=device)
        self._cache = DynamicCache()
        cache = {"use_cache": True, cache_argument: self._cache}
        self._run(context, range(self._length), [self._length - 1], **cache)

    def first_logits(self, tails: Sequence[Sequence[int]], max_new_tokens: int = 0) -> torch.Tensor:
        """Discard all questions, read new ones, and return the (n_questions, vocabulary) float32 logits after each.

        `tails` are the token ids after the context, at least one each. `max_new_tokens` may follow each of them.
        """
        room = max(map(len, tails)) + max_new_tokens
        self._split = SplitAttention(self._cache, self._config, len(tails), room)
        owned = [(question, place) for question, tail in enumerate(tails) for place in range(len(tail))]
        logits = []
        for start in range(0, len(owned), READ_AT_ONCE):
            owners, places = zip(*owned[start : start + READ_AT_ONCE], strict=True)
            tokens = [tails[question][place] for question, place in zip(owners, places, strict=True)]
            ends = [index for index, question in enumerate(owners) if places[index] + 1 == len(tails[question])]
            logits.append(self._read(tokens, places, owners, ends))
        return torch.cat(logits)

    def answers(
        self,
        tails: Sequence[Sequence[int]],
        decoding: Decoding,
        stop: Callable[[int, Sequence[int]], bool] = lambda question, answer: False,
    ) -> list[list[int]]:
        """Return the token ids of every answer; `stop(question index, answer)` is called after each token."""
        answers: list[list[int]] = [[] for _ in tails]
        logits, going = self.first_logits(tails, decoding.max_new_tokens), list(range(len(tails)))
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
            places = [len(tails[question]) + len(answers[question]) - 1 for question in going]
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
        self, tokens: Sequence[int], places: Sequence[int], owners: Sequence[int], keep: Sequence[int]
    ) -> torch.Tensor:
        """Read tokens of questions, ordered by question, and return float32 logits at the indices `keep`."""
        with self._split.reading(TokenGrid.of(owners, places, self._device)):
            return self._run(tokens, [self._length + place for place in places], keep, use_cache=False)

    def _run(self, tokens: Sequence[int], positions: Sequence[int], keep: Sequence[int], **cache: Any) -> torch.Tensor:
        with torch.no_grad():
            out = self._forward(
                input_ids=torch.tensor([list(tokens)], device=self._device),
                position_ids=torch.tensor([list(positions)], device=self._device),
                logits_to_keep=torch.tensor(list(keep), dtype=torch.long, device=self._device),
                **cache,
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
