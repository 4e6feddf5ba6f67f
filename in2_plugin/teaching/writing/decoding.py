"""Let a model of transformers write answers to gold rows: greedily, or by sampling at a temperature.

Prompts are padded on the left, those of similar length together. Invariant: the answers to a list of prompts depend on
the prompts and the settings alone, so that equal ones on equal hardware give equal tokens; the model's own
generation_config.json has no part in it, except for its end-of-turn tokens. Cost: at most `max_new_tokens` forward
passes per batch, which ends when all of its answers have ended.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from in2_plugin.errors import ConfigError
from in2_plugin.teaching.score import HFTeacher, batches

MAX_NEW_TOKENS = 128


@dataclass(frozen=True, slots=True)
class AnswerDecoding:
    """How answers are written."""

    max_new_tokens: int = MAX_NEW_TOKENS
    """Most tokens of an answer, its end-of-turn token included."""
    samples: int = 1
    """Most attempts at each answer; the first verified one is taken."""
    temperature: float = 0.0
    """0 takes the likeliest token each time."""

    def require_possible(self) -> None:
        """Raise unless these settings go together.

        Raises:
            ConfigError: they do not.
        """
        if self.samples > 1 and not self.temperature:
            raise ConfigError(
                f"--samples {self.samples}: without a temperature, all of them are the same; add e.g. --temperature 0.7"
            )


@dataclass(frozen=True, slots=True)
class WrittenTokens:
    """One answer."""

    ids: list[int]
    """Token ids, without the end-of-turn token."""
    has_end: bool
    """False if the model did not end the answer within `max_new_tokens`."""


class AnsweringTeacher(HFTeacher):
    """A causal model of transformers that writes answers."""

    def write(
        self, prompts: Sequence[npt.NDArray[Any]], end: int, decoding: AnswerDecoding, seed: int,
        step: Callable[[int], None] = lambda _: None,
    ) -> list[WrittenTokens]:  # fmt: skip
        """Return one answer to each prompt.

        Args:
            prompts: (n_tokens,) token ids of each conversation up to the answer.
            end: id of the end-of-turn token; the model's own ones end an answer, too.
            seed: of the samples; no effect at temperature 0.
            step: called with the number of prompts just answered.

        Raises:
            ConfigError: a prompt and its answer are longer than the window of the model, or a prompt has tokens that
                it does not have.
        """
        self._require_room(max(map(len, prompts), default=0), decoding.max_new_tokens)
        self._require_known(max((int(prompt.max()) for prompt in prompts), default=0))
        torch.manual_seed(seed)
        ends = sorted({end, *self._own_ends()})
        found: list[WrittenTokens] = [WrittenTokens([], has_end=False)] * len(prompts)
        for batch in batches([len(prompt) + decoding.max_new_tokens for prompt in prompts], self._batch_tokens):
            for i, ids in zip(batch, self._generate([prompts[i] for i in batch], ends, decoding), strict=True):
                stop = next((place for place, token in enumerate(ids) if token in ends), None)
                found[i] = WrittenTokens(ids[:stop], stop is not None)
            step(len(batch))
        return found

    def _generate(
        self, prompts: Sequence[npt.NDArray[Any]], ends: list[int], decoding: AnswerDecoding
    ) -> list[list[int]]:
        from transformers import GenerationConfig

        longest = max(map(len, prompts))
        tokens, mask = (torch.zeros(len(prompts), longest, dtype=torch.long) for _ in range(2))
        for i, prompt in enumerate(prompts):
            tokens[i, longest - len(prompt) :] = torch.from_numpy(prompt.astype(np.int64))
            mask[i, longest - len(prompt) :] = 1
        # top_k=0: the default of transformers samples among 50 tokens
        sampling = {"do_sample": True, "temperature": decoding.temperature, "top_k": 0} if decoding.temperature else {}
        config = GenerationConfig(
            max_new_tokens=decoding.max_new_tokens, eos_token_id=ends, pad_token_id=ends[0], **sampling
        )
        self._model.generation_config = config  # what ours leaves open would be taken from the model's
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=tokens.to(self._device), attention_mask=mask.to(self._device), generation_config=config
            )
        found: list[list[int]] = output[:, longest:].tolist()
        return found

    def _own_ends(self) -> list[int]:
        ids = self._model.generation_config.eos_token_id
        return [] if ids is None else [ids] if isinstance(ids, int) else list(ids)

    def _require_room(self, longest: int, new: int) -> None:
        if self.window and longest + new > self.window:
            raise ConfigError(
                f"{self.name}: reads at most {self.window:,} tokens, and a question has {longest:,} with its gold, and "
                f"its answer up to {new:,}; lower --max-new-tokens, or use a model with a longer window"
            )
