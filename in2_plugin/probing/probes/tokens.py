"""Counting tokens the way the tested model will see them: with its tokenizer, its BOS and its chat template.

Whether lm_eval will apply the chat template is not known here, so a prompt counts as the longer of its two forms.
Cost: tokenising one 32K-token prompt takes about 0.1 s; loading the tokenizer imports transformers.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from in2_plugin.errors import TokenizerError

LOADING_ARGUMENTS = ("revision", "subfolder", "trust_remote_code")
"""Model arguments of lm_eval that decide which tokenizer files are read, and how."""


class TokenCounter(Protocol):
    """What building a probe needs to know of a tokenizer."""

    def each(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by itself, no special tokens added."""

    def prompt(self, text: str) -> int:
        """Tokens of a finished prompt as the model will get it, at most."""


class ModelTokens:
    """Counts with a tokenizer of transformers, fast or slow.

    Args:
        takes_chat_template: whether prompts may be put into the tokenizer's chat template.
        template_args: what the template may be given besides, such as `enable_thinking`.
    """

    def __init__(
        self, tokenizer: Any, takes_chat_template: bool, template_args: Mapping[str, Any] | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._template_args = dict(template_args or {})
        self._chat = takes_chat_template and bool(getattr(tokenizer, "chat_template", None))

    def each(self, texts: Sequence[str]) -> list[int]:
        encoded = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return [len(ids) for ids in encoded]

    def prompt(self, text: str) -> int:
        forms = [text]
        if self._chat:
            # lm_eval's versions and backends differ in which of these arguments they pass on
            forms += [self._in_turn(text), *([self._in_turn(text, self._template_args)] if self._template_args else [])]
        # a BOS is added to the template's own one too: at most one token more than what is sent
        return max(len(self._tokenizer(form, verbose=False)["input_ids"]) for form in forms)

    def plain(self, text: str) -> int:
        """Tokens of `text` by itself, no special tokens added: the least that any server reads of it."""
        return self.each([text])[0]

    def sent_ids(self, text: str, in_template: bool | None) -> list[int]:
        """Token ids of a prompt as lm_eval's API models send them: no BOS but the template's.

        Args:
            text: the prompt.
            in_template: whether the chat template is applied; the longer of the two forms when None.
        """
        forms = [text] if in_template is not True or not self._chat else []
        if self._chat and in_template is not False:
            forms.append(self._in_turn(text))
        ids = (self._tokenizer(form, add_special_tokens=False, verbose=False)["input_ids"] for form in forms)
        return [int(one) for one in max(ids, key=len)]

    def _in_turn(self, text: str, template_args: Mapping[str, Any] = MappingProxyType({})) -> str:
        """`text` as a user turn in the chat template, up to where the answer begins."""
        turns = [{"role": "user", "content": text}]
        try:
            rendered = self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, **template_args
            )
        except Exception as failure:  # templates are programs and may raise anything
            raise TokenizerError(
                f"{self._tokenizer.name_or_path}: its chat template fails on one user turn: {failure}; "
                "give a working one as `tokenizer=FOLDER` in --model_args"
            ) from None
        return str(rendered)


def tokenizer_name(model_args: Mapping[str, Any]) -> str | None:
    """Folder or hub name of the tokenizer that lm_eval's backends would load for these model arguments."""
    given = (model_args.get(key) for key in ("tokenizer", "model", "pretrained"))
    return next((str(name) for name in given if name), None)


def load_tokens(model_args: Mapping[str, Any], takes_chat_template: bool) -> ModelTokens:
    """The counter for the model that `model_args` of lm_eval describe.

    Raises:
        TokenizerError: they name no tokenizer, or one that cannot be loaded.
    """
    name = tokenizer_name(model_args)
    if name is None:
        raise TokenizerError(
            "the probes count tokens and no tokenizer is known; give `pretrained=` or `tokenizer=` in --model_args, "
            'or --metadata \'{"tokenizer": "FOLDER OR NAME"}\''
        )
    from transformers import AutoTokenizer

    loading = {key: model_args[key] for key in LOADING_ARGUMENTS if model_args.get(key) is not None}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **loading)
    except Exception as failure:  # transformers raises OSError, ValueError, KeyError and others here
        reason = (str(failure).strip().splitlines() or [type(failure).__name__])[0]
        raise TokenizerError(
            f"tokenizer `{name}` cannot be loaded ({reason}); give `tokenizer=FOLDER OR NAME` in --model_args"
        ) from None
    return ModelTokens(tokenizer, takes_chat_template, _template_args(model_args))


def _template_args(model_args: Mapping[str, Any]) -> dict[str, Any]:
    """What `--model_args` gives the chat template (lm_eval: models/huggingface.py, vllm_causallms.py)."""
    given = model_args.get("chat_template_args")
    thinking = model_args.get("enable_thinking")
    return {
        **(given if isinstance(given, Mapping) else {}),
        **({} if thinking is None else {"enable_thinking": thinking}),
    }
