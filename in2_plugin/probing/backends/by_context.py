"""lm_eval's API backends, with all questions about one context before those about the next.

lm_eval sorts requests by length, so that the contexts of a probe alternate and a server's prefix cache must hold them
all. Invariant: the same requests are sent in a different order, and answers keep the order of the requests. Cost: at
the end of a context, the pending requests must finish first. Only one context's tokenized prompts are in memory.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI

from in2_plugin.corpus.tokenizer import load_pretrained
from in2_plugin.errors import ConfigError
from in2_plugin.probing.probes.tokens import LOADING_ARGUMENTS, ids_like_hf, tokenizer_name


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
    """`--model in2-local-completions`: sends the token ids that `hf` would give the model; lm_eval's own omits the BOS.

    Args:
        add_bos_token: as for `hf`: None leaves it to the tokenizer.
        tokenizer_backend: not `remote`, with which it is unknown if the tokenizer adds a BOS.

    Raises:
        ConfigError: the tokenizer is to be the server's.
    """

    def __init__(
        self,
        *args: Any,
        add_bos_token: bool | None = None,
        tokenizer_backend: str | None = "huggingface",
        **kwargs: Any,
    ) -> None:
        if tokenizer_backend == "remote":
            raise ConfigError(
                "tokenizer_backend=remote never sends a BOS, even for models that expect one; set tokenizer=FOLDER OR "
                "NAME in --model_args instead"
            )
        super().__init__(*args, add_bos_token=add_bos_token, tokenizer_backend=tokenizer_backend, **kwargs)
        if self.tokenizer_backend == "huggingface" and add_bos_token is not None:
            loading = {key: kwargs[key] for key in LOADING_ARGUMENTS if key in kwargs}
            self.tokenizer = load_pretrained(str(tokenizer_name(kwargs)), add_bos_token=add_bos_token, **loading)

    def tok_encode(self, string: Any, left_truncate_len: int | None = None, **kwargs: Any) -> Any:
        """Return the token ids of a text, or of each of several, like `hf`."""
        if self.tokenizer_backend != "huggingface":
            return super().tok_encode(string, left_truncate_len, **kwargs)
        texts = [string] if isinstance(string, str) else string
        ids = [ids_like_hf(self.tokenizer, text, self.add_bos_token)[-(left_truncate_len or 0) :] for text in texts]
        return ids[0] if isinstance(string, str) else ids


class ChatCompletionsByContext(ContextsTogether, LocalChatCompletion):  # type: ignore[misc]
    """`--model in2-local-chat-completions`."""
