"""The window of the tested model, and the refusal of prompts that do not fit it.

Every backend of lm_eval cuts a prompt that is too long on its left, most of them silently, and a cut context scores
like a model that loses the beginning. So the limit is worked out here by the backends' own rules (lm_eval 0.4.11:
models/huggingface.py, vllm_causallms.py, api_models.py), before anything is generated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from in2_plugin.errors import ProbeError, PromptTooLong
from in2_plugin.probing.options import NEW_TOKENS

API_DEFAULT = 2_048
"""`max_length` of lm_eval's API models when none is given."""
CONFIG_KEYS = ("n_positions", "max_position_embeddings", "n_ctx")
_OFF = (None, False, 0, "", "none", "None", "false", "False", "0")


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens that prompt and answer may have together, and where that number comes from."""

    tokens: int
    source: str
    kept_back: int = 0
    """Tokens that the backend takes off `max_length`."""


def model_window(model_args: Mapping[str, Any]) -> Window | None:
    """The window that lm_eval will cut prompts to; None when it sends text and never cuts.

    Raises:
        ProbeError: nothing says how large the window is.
    """
    given = next((key for key in ("max_length", "max_model_len") if model_args.get(key)), None)
    if is_api(model_args):
        if given is None and not _sends_tokens(model_args):
            return None
        tokens = int(model_args[given]) if given else API_DEFAULT
        source = f"{given}={tokens}" if given else f"lm_eval's default max_length of {API_DEFAULT:,} for API models"
        # api_models.py takes one token off, for the answer
        return Window(tokens - 1, source, kept_back=1)
    return Window(int(model_args[given]), f"{given}={model_args[given]}") if given else _configured(model_args)


def is_api(model_args: Mapping[str, Any]) -> bool:
    """Whether these are arguments of a model behind an address: its kind itself is not told to tasks."""
    return bool(model_args.get("base_url")) or ("model" in model_args and not model_args.get("pretrained"))


def _sends_tokens(model_args: Mapping[str, Any]) -> bool:
    backend = model_args.get("tokenizer_backend", "huggingface")
    return backend not in _OFF and model_args.get("tokenized_requests", True) not in _OFF


def _configured(model_args: Mapping[str, Any]) -> Window:
    name = model_args.get("pretrained")
    advice = "give `max_length=` in --model_args"
    if not name:
        raise ProbeError(f"no model is named, so its window is unknown; {advice}")
    from transformers import AutoConfig

    from in2_plugin.probing.tokens import LOADING_ARGUMENTS

    loading = {key: model_args[key] for key in LOADING_ARGUMENTS if model_args.get(key) is not None}
    try:
        config = AutoConfig.from_pretrained(str(name), **loading)
    except Exception as failure:  # transformers raises OSError, ValueError, KeyError and others here
        reason = (str(failure).strip().splitlines() or [type(failure).__name__])[0]
        raise ProbeError(f"the configuration of {name} cannot be read ({reason}); {advice}") from None
    for key in CONFIG_KEYS:
        if tokens := getattr(config, key, None):
            return Window(int(tokens), f"{key} of {name}")
    raise ProbeError(f"the configuration of {name} has none of {', '.join(CONFIG_KEYS)}; {advice}")


def refuse_if_too_long(prompt_tokens: int, window: Window | None) -> None:
    """Raise PromptTooLong, naming the value to set, unless prompt and answer fit."""
    needed = prompt_tokens + NEW_TOKENS
    if window is None or needed <= window.tokens:
        return
    raise PromptTooLong(
        f"the longest prompt has {prompt_tokens:,} tokens and {NEW_TOKENS} are generated, but the window is "
        f"{window.tokens:,} ({window.source}) and probes are never cut: set probe_length to at most {window.tokens} "
        f"in --metadata, or, if the model can take it, max_length={needed + window.kept_back} in --model_args"
    )
