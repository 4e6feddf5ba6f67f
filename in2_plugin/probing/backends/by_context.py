"""lm_eval's API backends, asking all questions of one context before those of the next.

lm_eval sorts requests by length, so that the contexts of a probe alternate and a server's prefix cache must hold them
all. Invariant: the same requests are sent, in another order, and answers come back in the order of the requests. Cost:
at the end of a context, the requests under way are waited for; tokenised prompts of one context are held at a time.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI


def by_context(requests: Sequence[Any]) -> list[list[int]]:
    """Indices of requests by the context that they ask about, in order of first appearance.

    Rows of the probes name probe and set; all rows of other tasks are one group.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, request in enumerate(requests):
        row = request.doc
        named = isinstance(row, Mapping) and "probe" in row and "set" in row
        groups.setdefault((row["probe"], row["set"]) if named else None, []).append(index)
    return list(groups.values())


class ContextsTogether:
    """Put before a backend of lm_eval: its `generate_until`, context by context."""

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Answers in the order of the requests."""
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
