"""`--model in2-hf`: lm_eval's `hf`, except that each shared context is prefilled once for all its questions.

Takes the arguments of `hf`, and `questions_at_once`. Invariant: answers are those of `hf` with `batch_size=1`, up to
rounding; requests that cannot share a context fall back to `hf`, with a warning that gives the reason. Prompts are
never truncated. Cost: one prefill per context instead of one per question, and three more per run to compare answers.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text
from lm_eval.models.utils_hf import stop_sequences_criteria
from tqdm import tqdm  # type: ignore[import-untyped]

from in2_plugin.errors import ConfigError, ProbeError, PromptTooLong
from in2_plugin.probing.backends.comparison import AnswerComparison
from in2_plugin.probing.backends.shared_context import Decoding, SharedContext, cache_argument, without_adapter
from in2_plugin.probing.backends.shared_prefixes import (
    Ids,
    PrefillCounts,
    SplitPrompts,
    group_by_prefix,
    in_batches,
    split,
    token_ids,
)
from in2_plugin.probing.backends.support import decoding_for, reason_against

LEAST_ROOM = 4_096
"""Cache entries for questions and answers after a short context; after a long one, half its length."""
_LOG = logging.getLogger("lm_eval.in2_hf")
"""A child of lm_eval's logger, whose handler prints the messages."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """The prompt of one request, and how to generate its answer."""

    prompt: str
    until: tuple[str, ...]
    decoding: Decoding


class SharedContextLM(HFLM):  # type: ignore[misc]  # lm_eval is not typed
    """`HFLM` whose `generate_until` prefills shared contexts once.

    Args:
        questions_at_once: number of questions answered together; `auto` takes as many as fit in half a context.
    """

    def __init__(self, *args: Any, questions_at_once: int | str = "auto", **kwargs: Any) -> None:
        if questions_at_once != "auto" and not (str(questions_at_once).isdigit() and int(questions_at_once) > 0):
            raise ConfigError(f"questions_at_once={questions_at_once} must be `auto` or a number above zero")
        self.questions_at_once = None if questions_at_once == "auto" else int(questions_at_once)
        self.counts = PrefillCounts()
        self.comparison = AnswerComparison()
        self._refused = False
        self._warned: set[str] = set()
        super().__init__(*args, **kwargs)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Return answers in the order of the requests.

        Raises:
            PromptTooLong: a prompt and its answer do not fit `max_length`.
            ProbeError: out of memory; names the setting to lower.
        """
        parsed = self._parse_requests(requests)
        indices = list(parsed)
        groups = group_by_prefix([parsed[index].prompt for index in indices])
        answers: dict[int, str] = {}
        with tqdm(
            total=len(indices), disable=disable_tqdm or self.rank != 0, desc="Questions about shared contexts"
        ) as bar:
            for group in groups:
                for index, text in self._answer_group(
                    {indices[place]: parsed[indices[place]] for place in group}
                ).items():
                    answers[index] = text
                    self.cache_hook.add_partial("generate_until", requests[index].args, text)
                    bar.update(1)
        if self.counts.contexts:
            _LOG.info("%s; %s", self.counts, self.comparison)
        answers.update(self._fall_back([i for i in range(len(requests)) if i not in answers], requests, disable_tqdm))
        return [answers[index] for index in range(len(requests))]

    def _parse_requests(self, requests: Sequence[Any]) -> dict[int, GenerationRequest]:
        """Return the requests that can share contexts, by index; none if this model cannot."""
        if reason := self._reason(0):
            self._warn(reason)
            return {}
        known: dict[str, tuple[tuple[str, ...], Decoding] | None] = {}
        parsed: dict[int, GenerationRequest] = {}
        for index, request in enumerate(requests):
            prompt, settings = request.args
            if (key := repr(settings)) not in known:  # copying a generation configuration takes 0.3 ms
                known[key] = self._decoding_of(settings)
            if (decoding := known[key]) is not None:
                parsed[index] = GenerationRequest(prompt, *decoding)
        return parsed

    def _decoding_of(self, settings: dict[str, Any]) -> tuple[tuple[str, ...], Decoding] | None:
        """Return stop strings and decoding like `HFLM.generate_until`; None if not plain greedy decoding."""
        given = dict(normalize_gen_kwargs(settings, self.max_gen_toks))
        eos = self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        until = handle_stop_sequences(given.pop("until", None), eos=eos)
        max_new_tokens = given.pop("max_gen_toks")
        if given.get("temperature") == 0.0:
            del given["temperature"]
        decoding = decoding_for(self.model.generation_config, given, max_new_tokens)
        if isinstance(decoding, Decoding):
            return tuple(until), decoding
        self._warn(decoding)
        return None

    def _fall_back(self, indices: Sequence[int], requests: Sequence[Any], disable_tqdm: bool) -> dict[int, str]:
        """Return answers generated by `hf`, which would truncate prompts that are too long."""
        chosen = [requests[index] for index in indices]
        for request in chosen:
            prompt, settings = request.args
            self._check_length(self._encode(prompt), normalize_gen_kwargs(settings, self.max_gen_toks)["max_gen_toks"])
        texts = super().generate_until(chosen, disable_tqdm=disable_tqdm) if chosen else []
        return dict(zip(indices, texts, strict=True))

    def _answer_group(self, asked: dict[int, GenerationRequest]) -> dict[int, str]:
        """Return the answers about one context; empty if `hf` must generate them."""
        if len(asked) < 2 or self._refused:
            return {}
        prompts = token_ids([request.prompt for request in asked.values()], self._encode)
        new = [request.decoding.max_new_tokens for request in asked.values()]
        parts = split(self._check_length(ids, size) for ids, size in zip(prompts, new, strict=True))
        sizes = [len(own) + size for own, size in zip(parts.own, new, strict=True)]
        if reason := self._reason(len(parts.shared) + max(sizes)):
            self._warn(reason)
            return {}
        if not parts.shared:
            return {}
        try:
            texts = self._answer(list(asked.values()), parts, sizes)
        except Exception as failure:  # before the comparison, a model may turn out not to support this
            if _is_out_of_memory(failure):
                raise ProbeError(self._advice(len(parts.shared))) from None
            if self.comparison.is_done:
                raise
            self._refuse(f"its forward fails with a shared cache ({type(failure).__name__}: {failure})")
            return {}
        return {index: texts[place] for place, index in enumerate(asked) if place in texts}

    def _reason(self, longest: int) -> str | None:
        distributed = str(getattr(getattr(self, "accelerator", None), "distributed_type", ""))
        if distributed.endswith(("FSDP", "DEEPSPEED")):
            return "its weights are sharded over processes that must run the same number of forward passes"
        return reason_against(self.model, longest)

    def _answer(self, asked: Sequence[GenerationRequest], parts: SplitPrompts, sizes: Sequence[int]) -> dict[int, str]:
        """Return answers by index in `asked`; `sizes` are the cache entries per question and answer."""
        room = len(sizes) * max(sizes) if self.questions_at_once else max(LEAST_ROOM, len(parts.shared) // 2)
        batches = [
            [places[index] for index in batch]
            for places in _by_decoding(asked)
            for batch in in_batches([sizes[place] for place in places], room, self.questions_at_once)
        ]
        config = without_adapter(self.model).config.get_text_config(decoder=True)
        context = SharedContext(self._forward, config, parts.shared, cache_argument(self.model), self.device)
        found: dict[int, str] = {}
        for batch in batches:
            request, tails = asked[batch[0]], [parts.own[place] for place in batch]
            answers = context.answers(tails, request.decoding, self._stop(request, len(batch)))
            if not self._agrees(context, parts.shared, tails, answers, request.decoding):
                return {}
            found.update(zip(batch, (self._text(ids, request.until) for ids in answers), strict=True))
        self.counts.add(parts)
        return found

    def _stop(self, request: GenerationRequest, questions: int) -> Callable[[int, Sequence[int]], bool]:
        criteria = [stop_sequences_criteria(self.tokenizer, list(request.until), 0, 1) for _ in range(questions)]

        def stop(question: int, answer: Sequence[int]) -> bool:
            return bool(criteria[question](torch.tensor([list(answer)]), None).all())

        return stop

    def _text(self, ids: list[int], until: Sequence[str]) -> str:
        """Decode an answer like the end of `HFLM.generate_until` (lm_eval, models/huggingface.py)."""
        end = self.think_end_token
        if isinstance(end, int) and end in ids:
            ids = ids[len(ids) - ids[::-1].index(end) :]
        text = self.tok_decode(ids)
        if isinstance(end, int):
            text = text.lstrip()
        return str(postprocess_generated_text(text, list(until), end if isinstance(end, str) else None))

    def _agrees(
        self,
        context: SharedContext,
        shared: list[int],
        tails: Sequence[list[int]],
        answers: Sequence[list[int]],
        decoding: Decoding,
    ) -> bool:
        """Compare some answers of the first batch of the run with those without a shared cache."""
        if self.comparison.is_done:
            return True
        first = context.first_logits(tails)
        self.counts.prefilled_tokens += sum(map(len, tails)) + self.comparison.add_batch(
            self._forward, shared, tails, answers, first, decoding
        )
        if self.comparison.fault:
            self._refuse(self.comparison.fault)
        return not self._refused

    def _encode(self, prompt: str) -> Ids:
        """Return the token ids of one prompt like `HFLM`, without truncation."""
        ids, _ = self.tok_batch_encode([prompt], truncation=False)
        return np.asarray(ids[0], dtype=np.int64)

    def _check_length(self, ids: Ids, max_new_tokens: int) -> Ids:
        needed = len(ids) + max_new_tokens
        if needed <= self.max_length:
            return ids
        raise PromptTooLong(
            f"a prompt has {len(ids):,} tokens and {max_new_tokens} are generated, but the window is "
            f"{self.max_length:,} and in2-hf never truncates: shorten the prompts or, if the model can take it, "
            f"set max_length={needed} in --model_args"
        )

    def _forward(self, **inputs: Any) -> Any:
        precision = self.mixed_precision_dtype
        with torch.autocast(device_type=self.device.type, dtype=precision, enabled=precision is not None):
            return self.model(**inputs)

    def _refuse(self, reason: str) -> None:
        self._refused = True
        self._warn(reason)

    def _warn(self, reason: str) -> None:
        if reason not in self._warned:
            self._warned.add(reason)
            _LOG.warning("in2-hf falls back to hf, which reads each context once per question: %s", reason)

    def _advice(self, context: int) -> str:
        now = self.questions_at_once
        fewer = f"questions_at_once={max(now // 2, 1)}" if now and now > 1 else "questions_at_once=8"
        return (
            f"not enough memory for a context of {context:,} tokens and its questions; set {fewer} in "
            "--model_args, and if that is not enough, a smaller dtype or probe_length"
        )


def _by_decoding(asked: Sequence[GenerationRequest]) -> list[list[int]]:
    """Group the indices of requests with the same stop strings and decoding."""
    found: dict[tuple[tuple[str, ...], Decoding], list[int]] = defaultdict(list)
    for place, request in enumerate(asked):
        found[request.until, request.decoding].append(place)
    return list(found.values())


def _is_out_of_memory(failure: BaseException) -> bool:
    # on the CPU, torch raises a RuntimeError that mentions its allocator
    return isinstance(failure, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(failure)
