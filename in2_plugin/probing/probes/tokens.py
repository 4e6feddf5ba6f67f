"""Count tokens as the tested model will see them: with its tokenizer, its BOS and its chat template.

This module cannot know if lm_eval will apply the chat template, so a prompt counts as the longer of its two forms.
Cost: tokenizing one 32K-token prompt takes about 0.1 s.
"""

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from in2_plugin.answer_text import answer_text
from in2_plugin.corpus.tokenizer import load_pretrained
from in2_plugin.errors import TokenizerError, one_line

LOADING_ARGUMENTS = ("revision", "subfolder", "trust_remote_code")
"""Model arguments of lm_eval that affect how the tokenizer is loaded."""


class TokenCounter(Protocol):
    """The two counts that building a probe needs from a tokenizer."""

    def each(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text alone, without special tokens."""

    def prompt(self, text: str) -> int:
        """Return an upper bound for the tokens of a prompt as the model receives it."""


class ModelTokens:
    """Counts with a FastTokenizer or a tokenizer of transformers, fast or slow.

    Args:
        takes_chat_template: True if the tokenizer's chat template may be applied to prompts.
        template_args: further arguments of the template, such as `enable_thinking`.
        add_bos_token: the model argument of lm_eval; None if it is absent.
    """

    def __init__(
        self,
        tokenizer: Any,
        takes_chat_template: bool,
        template_args: Mapping[str, Any] | None = None,
        add_bos_token: bool | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._add_bos_token = add_bos_token
        self._template_args = dict(template_args or {})
        self._chat = takes_chat_template and bool(getattr(tokenizer, "chat_template", None))

    def each(self, texts: Sequence[str]) -> list[int]:
        encoded = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return [len(ids) for ids in encoded]

    def prompt(self, text: str) -> int:
        forms = [text]
        if self._chat:
            # versions and backends of lm_eval differ in which of these arguments they pass on
            forms += [self._in_turn(text), *([self._in_turn(text, self._template_args)] if self._template_args else [])]
        # a BOS is added to that of the template: at most one token more than is sent
        return max(len(self._tokenizer(form, verbose=False)["input_ids"]) for form in forms)

    def plain(self, text: str) -> int:
        """Return the tokens of `text` without special tokens: the least that any server reads of it."""
        return self.each([text])[0]

    def opens_thought(self, with_arguments: bool) -> bool:
        """Return True if the chat template ends inside a thought, with or without the further arguments."""
        arguments = self._template_args if with_arguments else {}
        return self._chat and answer_text(self._in_turn("?", arguments)) is None

    def sent_ids(self, text: str, in_template: bool | None, like_hf: bool) -> list[int]:
        """Return the token ids of a prompt as a completions backend sends them.

        Args:
            text: the prompt.
            in_template: True if the chat template is applied; None gives the longer of the two forms.
            like_hf: True for our backends, see `ids_like_hf`; lm_eval's own add a BOS to any form for `add_bos_token`.
        """
        forms = [text] if in_template is not True or not self._chat else []
        if self._chat and in_template is not False:
            forms.append(self._in_turn(text))
        return max((self._sent_form(form, like_hf) for form in forms), key=len)

    def _sent_form(self, form: str, like_hf: bool) -> list[int]:
        if like_hf:
            return ids_like_hf(self._tokenizer, form, self._add_bos_token)
        adds = bool(self._add_bos_token)
        return [int(one) for one in self._tokenizer(form, add_special_tokens=adds, verbose=False)["input_ids"]]

    def _in_turn(self, text: str, template_args: Mapping[str, Any] = MappingProxyType({})) -> str:
        """Render `text` as a user turn in the chat template, up to the start of the answer."""
        turns = [{"role": "user", "content": text}]
        try:
            rendered = self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, **template_args
            )
        except Exception as failure:  # templates are programs and may raise anything
            raise TokenizerError(
                f"{self._tokenizer.name_or_path}: its chat template fails on one user turn: {failure}; "
                "set `tokenizer=FOLDER` in --model_args to one that works"
            ) from None
        return str(rendered)


class CountedOnce:
    """A token counter that remembers prompts: a probe that fits its contexts counts what the task checks again."""

    def __init__(self, tokens: TokenCounter) -> None:
        self._tokens = tokens
        self._counts: dict[bytes, int] = {}

    def each(self, texts: Sequence[str]) -> list[int]:
        return self._tokens.each(texts)

    def prompt(self, text: str) -> int:
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        if key not in self._counts:
            self._counts[key] = self._tokens.prompt(text)
        return self._counts[key]


def ids_like_hf(tokenizer: Any, text: str, add_bos_token: bool | None) -> list[int]:
    """Return the token ids of a prompt as lm_eval's `hf` encodes it (models/huggingface.py, `tok_batch_encode`).

    A prompt that starts with a BOS, as from a chat template, gets no other. If `add_bos_token` is None, the tokenizer
    decides.
    """
    bos = tokenizer.bos_token
    adds = False if bos is not None and text.startswith(bos) else add_bos_token
    given = {} if adds is None else {"add_special_tokens": adds}
    return [int(one) for one in tokenizer(text, verbose=False, **given)["input_ids"]]


def tokenizer_name(model_args: Mapping[str, Any]) -> str | None:
    """Return the folder or hub name of the tokenizer that lm_eval's backends load for these model arguments."""
    given = (model_args.get(key) for key in ("tokenizer", "model", "pretrained"))
    return next((str(name) for name in given if name), None)


def load_tokens(model_args: Mapping[str, Any], takes_chat_template: bool) -> ModelTokens:
    """Return the token counter for the model in lm_eval's `model_args`.

    Raises:
        TokenizerError: there is no tokenizer among them, or it cannot be loaded.
    """
    name = tokenizer_name(model_args)
    if name is None:
        raise TokenizerError(
            "the probes count tokens and no tokenizer is known; set `pretrained=` or `tokenizer=` in --model_args, "
            'or --metadata \'{"tokenizer": "FOLDER OR NAME"}\''
        )
    # `hf` passes `add_bos_token` on to the tokenizer, which changes what it adds by default
    keys = (*LOADING_ARGUMENTS, "add_bos_token")
    loading = {key: model_args[key] for key in keys if model_args.get(key) is not None}
    try:
        tokenizer = load_pretrained(name, **loading)
    except Exception as failure:  # transformers raises OSError, ValueError, KeyError and others here
        reason = one_line(failure)
        raise TokenizerError(
            f"tokenizer `{name}` cannot be loaded ({reason}); set `tokenizer=FOLDER OR NAME` in --model_args"
        ) from None
    return ModelTokens(tokenizer, takes_chat_template, _template_args(model_args), model_args.get("add_bos_token"))


def _template_args(model_args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chat template's arguments in `--model_args` (lm_eval: models/huggingface.py, vllm_causallms.py)."""
    given = model_args.get("chat_template_args")
    thinking = model_args.get("enable_thinking")
    return {
        **(given if isinstance(given, Mapping) else {}),
        **({} if thinking is None else {"enable_thinking": thinking}),
    }
