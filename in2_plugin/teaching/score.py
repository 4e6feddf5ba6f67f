"""Let a model of transformers score answers: logits at answer tokens alone, rows of similar length in one batch.

Rows are padded on the right, which a causal model does not see. Invariant: the batches of a list of rows depend on
their lengths alone, so that equal rows on equal hardware give equal bytes. Cost: one forward pass over their tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from in2_plugin.errors import ConfigError, ModelError, one_line
from in2_plugin.inspection.environment.cpu_dtype import fastest_cpu_dtype
from in2_plugin.models.convert import digest_of_tensors
from in2_plugin.teaching.likeliest import likeliest_tokens
from in2_plugin.teaching.rows import GoldOnlyRow
from in2_plugin.teaching.store import LogProbs, TokenIds

BATCH_TOKENS = {"cpu": 4_096}
"""Tokens of a batch, padding included; on other devices `DEVICE_TOKENS`."""
DEVICE_TOKENS = 32_768
LOGIT_ROWS = 256
"""Rows of logits that become float32 at a time."""


class HFTeacher:
    """A causal model of transformers that scores answers."""

    def __init__(self, name: str, model: Any, device: str) -> None:
        """Take a loaded model that takes `logits_to_keep` (all current ones of transformers do)."""
        self.name, self._model, self._device = name, model.eval(), device
        self._batch_tokens = BATCH_TOKENS.get(device, DEVICE_TOKENS)

    @classmethod
    def load(cls, name: str, dtype: str | None = None) -> Self:
        """Load a model by folder or hub name, in the dtype that is fastest here unless one is given.

        Raises:
            ModelError: it cannot be loaded as a causal model.
        """
        from transformers import AutoModelForCausalLM

        device, fastest = device_and_dtype()
        placement = {"device_map": "auto"} if device == "cuda" else {}
        try:
            model = AutoModelForCausalLM.from_pretrained(name, dtype=getattr(torch, dtype or fastest), **placement)
        except Exception as failure:  # OSError, ValueError, KeyError and others of transformers and huggingface_hub
            raise ModelError(
                f"{name}: cannot be loaded as a causal language model ({one_line(failure)}); give the folder or hub "
                "name of a model"
            ) from None
        return cls(name, model if placement else model.to(device), device)

    @property
    def dtype(self) -> str:
        """The dtype of the forward pass, such as `bfloat16`."""
        return str(self._model.dtype).removeprefix("torch.")

    @property
    def window(self) -> int | None:
        """Longest row that the model reads, in tokens; None if its configuration does not say."""
        return getattr(self._model.config.get_text_config(), "max_position_embeddings", None)

    def weights_digest(self) -> str:
        """Return the SHA-256 of all weights. Cost: about 1 s per GB."""
        return digest_of_tensors(self._model.state_dict())

    def top(
        self, rows: Sequence[GoldOnlyRow], k: int, step: Callable[[int], None] = lambda _: None
    ) -> tuple[TokenIds, LogProbs]:
        """Return what `likeliest_tokens` returns for all answer tokens, row by row.

        Args:
            rows: scored in batches of similar length.
            k: tokens at each answer token.
            step: called with the number of rows just scored.

        Raises:
            ConfigError: the vocabulary has no more than k tokens, or a row has others or is longer than the window of
                the model.
        """
        self.require_window(max((len(row.ids) for row in rows), default=0))
        ids: list[TokenIds] = [np.zeros((0, k), np.uint32)] * len(rows)
        logprobs: list[LogProbs] = [np.zeros((0, k + 1), np.float32)] * len(rows)
        for batch in batches([len(row.ids) for row in rows], self._batch_tokens):
            chosen = [rows[i] for i in batch]
            logits = self.logits([row.ids for row in chosen], [_positions(row.answer) for row in chosen])
            if logits.shape[1] <= k:
                raise ConfigError(f"--top-k {k}: {self.name} has a vocabulary of {logits.shape[1]:,} tokens; lower it")
            found = [likeliest_tokens(chunk, k) for chunk in logits.split(LOGIT_ROWS)]
            borders = np.cumsum([row.answer.stop - row.answer.start for row in chosen])[:-1]
            indices, values = (torch.cat(parts).cpu().numpy() for parts in zip(*found, strict=True))
            for i, one, other in zip(batch, np.split(indices, borders), np.split(values, borders), strict=True):
                ids[i], logprobs[i] = one.astype(np.uint32), other
            step(len(batch))
        return np.concatenate(ids), np.concatenate(logprobs)

    def logits(self, ids: Sequence[npt.NDArray[Any]], positions: Sequence[npt.NDArray[np.int64]]) -> Tensor:
        """Return (n, vocabulary) logits at the given positions of each sequence, sequence by sequence.

        Args:
            ids: (n_tokens,) token ids of each sequence, which starts at its first token.
            positions: ascending; the logits at position i predict token i + 1.

        Raises:
            ConfigError: a token id is not in the vocabulary of the model.
        """
        self._require_known(max(int(sequence.max()) for sequence in ids))
        longest = max(map(len, ids))
        tokens, mask = (torch.zeros(len(ids), longest, dtype=torch.long) for _ in range(2))
        wanted = torch.zeros(len(ids), longest, dtype=torch.bool)
        for i, (sequence, places) in enumerate(zip(ids, positions, strict=True)):
            tokens[i, : len(sequence)] = torch.from_numpy(sequence.astype(np.int64))
            mask[i, : len(sequence)] = 1
            wanted[i, places] = True
        keep = wanted.any(0).nonzero()[:, 0]
        tokens, mask, wanted = (each.to(self._device) for each in (tokens, mask, wanted[:, keep]))
        keep = keep.to(self._device)
        with torch.inference_mode():
            output = self._model(input_ids=tokens, attention_mask=mask, use_cache=False, logits_to_keep=keep)
        found: Tensor = output.logits[wanted.to(output.logits.device)]
        return found

    def require_window(self, longest: int) -> None:
        """Raise unless a sequence of so many tokens fits the model's window.

        Raises:
            ConfigError: it does not.
        """
        if self.window and longest > self.window:
            raise ConfigError(
                f"{self.name}: reads at most {self.window:,} tokens, and a row to score has {longest:,}; use a model "
                "with a longer window"
            )

    def _require_known(self, token: int) -> None:
        known = self._model.config.get_text_config().vocab_size
        if token >= known:
            raise ConfigError(
                f"{self.name}: has {known:,} tokens, numbered from 0, and the dataset has number {token:,}; use a "
                "model whose embeddings cover all tokens of its tokenizer"
            )


def device_and_dtype() -> tuple[str, str]:
    """Return the device of this machine and the dtype to score in on it."""
    if torch.cuda.is_available():
        return "cuda", "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "cpu", fastest_cpu_dtype()


def batches(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Yield the numbers of all rows in batches, shortest first, that have at most `most_tokens` tokens when padded.

    A longer row gets its own batch.
    """
    batch: list[int] = []
    for i in np.argsort(np.array(lengths), kind="stable").tolist():
        if batch and (len(batch) + 1) * lengths[i] > most_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _positions(answer: slice) -> npt.NDArray[np.int64]:
    """Return the positions whose logits predict the tokens of an answer."""
    return np.arange(answer.start - 1, answer.stop - 1)
