"""Compare whole answers generated over a shared cache with what the model says about each prompt alone.

A greedy answer is right if every token is the likeliest one after the prompt and the tokens before it, so one forward
pass over prompt and answer, without a cache or a mask, checks all of its tokens. In reduced precision, two tokens that
are nearly equally likely may change places; only such differences are accepted. Cost: one prefill per compared answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from in2_plugin.probing.backends.shared_context import Decoding, penalized

COMPARED = 3
"""Answers per batch: the last question, which is read after all others, and the longest answers."""
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 0.03, torch.bfloat16: 0.1}
"""Limits of `differs_by`. A random 16-layer model gave 1e-6, 0.002 and 0.02 from float32 on; a wrong mask 0.1 to 1."""
NEARLY_EQUAL = 4.0
"""Two logits that differ by this many times the tolerance may change places: each is off by up to one, on average."""


@dataclass(slots=True)
class AnswerComparison:
    """The result for all answers compared so far in a run."""

    answers: int = 0
    differing: int = 0
    """Answers with a token that is not the likeliest one without a shared cache."""
    longest: int = 0
    """Tokens of the longest compared answer."""
    fault: str | None = None
    """The first difference that rounding does not explain."""

    @property
    def is_done(self) -> bool:
        """True after an answer of several tokens was compared: the first token alone does not test decoding."""
        return self.longest > 1

    def __str__(self) -> str:
        counts = f"compared {self.answers} whole answers with those without a shared cache"
        if not self.differing:
            return f"{counts}: all equal"
        return f"{counts}: {self.differing} differ, only where two tokens are nearly equally likely"

    def add_batch(
        self,
        forward: Callable[..., Any],
        shared: Sequence[int],
        tails: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
        first_logits: torch.Tensor,
        decoding: Decoding,
    ) -> int:
        """Compare some answers of a batch and return the number of tokens that the model processed for it.

        Args:
            forward: called like a causal language model of transformers.
            shared, tails: token ids of the context, and of each question after it.
            answers: token ids that were generated over the shared cache.
            first_logits: (answers, vocabulary); the logits of each answer's first token.
            decoding: how the answers were generated.
        """
        processed = 0
        for index in chosen_for_comparison(answers):
            ids = torch.tensor([[*shared, *tails[index], *answers[index][:-1]]], device=first_logits.device)
            with torch.no_grad():
                logits = forward(input_ids=ids, use_cache=False, logits_to_keep=len(answers[index])).logits[0]
            self._add(answers[index], first_logits[index], logits, ids, decoding)
            processed += ids.shape[1]
        return processed

    def _add(
        self, answer: Sequence[int], first: torch.Tensor, logits: torch.Tensor, ids: torch.Tensor, decoding: Decoding
    ) -> None:
        tolerance = TOLERANCE.get(logits.dtype, max(TOLERANCE.values()))
        logits = logits.to(torch.float32)
        distances = below_likeliest(answer, _penalized_rows(logits, ids, decoding))
        self.answers += 1
        self.differing += any(distances)
        self.longest = max(self.longest, len(answer))
        self.fault = self.fault or _fault(differs_by(first, logits[0]), distances, tolerance)


def chosen_for_comparison(answers: Sequence[Sequence[int]]) -> list[int]:
    """Return the indices of the answers to compare."""
    last = len(answers) - 1
    longest = sorted(range(last), key=lambda index: -len(answers[index]))
    return [*longest[: COMPARED - 1], last]


def differs_by(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the distance of two rows of logits relative to the spread of `expected`: 0 equal, 1 or more unrelated."""
    found, expected = found.double().cpu(), expected.double().cpu()
    return float((found - expected).norm() / (expected - expected.mean()).norm())


def below_likeliest(answer: Sequence[int], logits: torch.Tensor) -> list[float]:
    """Return by how much each token's logit is below the largest of its row, in standard deviations of the row.

    Args:
        answer: token ids.
        logits: (tokens of the answer, vocabulary); row i predicts token i.
    """
    chosen = logits.gather(1, torch.tensor(answer, device=logits.device)[:, None])[:, 0]
    distances: list[float] = ((logits.amax(dim=1) - chosen) / logits.std(dim=1)).tolist()
    return distances


def _penalized_rows(logits: torch.Tensor, ids: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    start = ids.shape[1] - len(logits) + 1
    rows = [penalized(logits[[row]], ids[:, : start + row], decoding) for row in range(len(logits))]
    return torch.cat(rows)


def _fault(first: float, distances: Sequence[float], tolerance: float) -> str | None:
    if first > tolerance:
        return f"its logits differ by {first:.2g} from those without a shared cache (limit {tolerance})"
    limit = NEARLY_EQUAL * tolerance
    at = next((index for index, distance in enumerate(distances) if distance > limit), None)
    if at is None:
        return None
    return (
        f"token {at + 1} of an answer is not the likeliest one without a shared cache: its logit is "
        f"{distances[at]:.2g} standard deviations below (limit {limit:.2g})"
    )
