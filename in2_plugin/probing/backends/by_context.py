"""lm_eval's API backends, with all questions about one context before those about the next.

lm_eval sorts requests by length, so that the contexts of a probe alternate and a server's prefix cache must hold them
all. Invariant: the same requests are sent in a different order, and answers keep the order of the requests. Cost: at
the end of a context, the pending requests must finish first. Only one context's tokenized prompts are in memory.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI


def by_context(requests: Sequence[Any]) -> list[list[int]]:
    """Group the indices of requests by context, in order of first appearance.

    Rows of probes have a probe and a set; all rows of other tasks form one group.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, request in enumerate(requests):
        row = request.doc
        named = isinstance(row, Mapping) and "probe" in row and "set" in row
        groups.setdefault((row["probe"], row["set"]) if named else None, []).append(index)
    return list(groups.values())


class ContextsTogether:
    """Mixin for a backend of lm_eval that calls its `generate_until` context by context."""

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Return answers in the order of the requests."""
        answers: dict[int, str] = {}
        for group in by_context(requests):
            chosen = [requests[index] for index in group]
            texts = super().generate_until(chosen, disable_tqdm=disable_tqdm)  # type: ignore[misc]
            answers.update(zip(group, texts, strict=True))
        return [answers[index] for index in range(len(requests))]


class CompletionsByContext(ContextsTogether, LocalCompletionsAPI):  # type: ignore[misc]  # lm_eval is not typed
    """`--model in2-local-completions`."""


class ChatCompletionsByContext(ContextsTogether, LocalChatCompletion):  # type: ignore[misc]
    """`--model in2-local-chat-completions`."""
