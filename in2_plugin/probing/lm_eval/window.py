"""Find the context window of the tested model, and refuse prompts that do not fit it.

Every backend of lm_eval truncates a prompt that is too long on its left, most of them silently, and a truncated context
scores like a model that loses the beginning. So this module applies the backends' own rules before anything is
generated (lm_eval 0.4.11 and 0.4.13: models/huggingface.py, vllm_causallms.py, sglang_causallms.py, api_models.py,
openai_completions.py). Where backends differ and the backend is unknown, the smaller limit counts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from in2_plugin.errors import ProbeError, PromptTooLong, one_line
from in2_plugin.probing.lm_eval.command_line import Invocation
from in2_plugin.probing.probes.options import NEW_TOKENS

API_DEFAULT = 2_048
"""Default `max_length` of lm_eval's API models."""
GIVEN_KEYS = ("max_length", "max_model_len", "context_length")
CONFIG_KEYS = ("n_positions", "max_position_embeddings", "n_ctx")
ENGINE_KEYS = ("max_seq_len", "seq_length", "model_max_length", "max_sequence_length", "max_seq_length", "seq_len")
"""Further keys; vLLM takes the smallest (vllm/config/model.py)."""
_ENGINES = ("vllm", "sglang")
OFF = (None, False, 0, "", "none", "None", "false", "False", "0")
"""Values that switch a model argument off, on the command line and in Python."""


@dataclass(frozen=True, slots=True)
class Window:
    """The limit of prompt and answer together in tokens, and its source."""

    tokens: int
    source: str
    kept_back: int = 0
    """Tokens that the backend subtracts from `max_length`."""
    argument: str = "max_length"
    """The model argument that sets it."""


@dataclass(frozen=True, slots=True)
class PromptNeeds:
    """Tokens that a task generates after each prompt, and the advice for prompts that are too long."""

    new_tokens: int = NEW_TOKENS
    shorten: str = "set probe_length to at most {length} in --metadata"
    """What to change for shorter prompts; `{length}` is replaced by a length in tokens, the answer included."""

    def shortened(self, length: int) -> str:
        """Return the advice for prompts that fit `length` tokens with the answer."""
        return self.shorten.format(length=length)

    @property
    def shortened_further(self) -> str:
        """Return the advice where the length that fits is unknown."""
        advice = re.sub(r"^set (\w+) to at most \{length\}", r"lower \1", self.shorten)
        return advice.replace("lengths up to {length}", "shorter lengths")


USUAL_NEEDS = PromptNeeds()
"""Those of the VAL probes."""


def model_window(model_args: Mapping[str, Any], invocation: Invocation) -> Window | None:
    """Return the window that lm_eval truncates prompts to; None when it sends text and never truncates.

    Args:
        model_args: model arguments and metadata in one dictionary, as lm_eval passes them.
        invocation: the command line of lm_eval.

    Raises:
        ProbeError: the size of the window is unknown.
    """
    given = next((key for key in GIVEN_KEYS if model_args.get(key)), None)
    if is_api(model_args):
        return _of_api(model_args, given, invocation)
    argument = "max_model_len" if _engine(invocation) else "max_length"
    if given:
        return Window(int(model_args[given]), f"{given}={model_args[given]}", argument=given)
    return _configured(model_args, argument)


def is_api(model_args: Mapping[str, Any]) -> bool:
    """Return True for arguments of a model behind a URL; tasks do not receive the name of the backend."""
    return bool(model_args.get("base_url")) or ("model" in model_args and not model_args.get("pretrained"))


def sends_messages(model_args: Mapping[str, Any], invocation: Invocation) -> bool:
    """Return True if lm_eval sends chat messages: by the backend's name, or else by the path of its URL."""
    if invocation.model and "completions" in invocation.model:
        return "chat" in invocation.model
    return "/chat/completions" in str(model_args.get("base_url", ""))


def sends_tokens(model_args: Mapping[str, Any], invocation: Invocation) -> bool:
    """Return True if lm_eval sends token ids, which it truncates first."""
    backend = model_args.get("tokenizer_backend", "huggingface")
    wanted = backend not in OFF and model_args.get("tokenized_requests", True) not in OFF
    return wanted and not sends_messages(model_args, invocation)


def _of_api(model_args: Mapping[str, Any], given: str | None, invocation: Invocation) -> Window | None:
    if given is None and not sends_tokens(model_args, invocation):
        return None
    tokens = int(model_args[given]) if given else API_DEFAULT
    source = f"{given}={tokens}" if given else f"lm_eval's default max_length of {API_DEFAULT:,} for API models"
    # api_models.py subtracts one token for the answer
    return Window(tokens - 1, source, kept_back=1)


def _engine(invocation: Invocation) -> bool:
    return invocation.model is not None and any(name in invocation.model for name in _ENGINES)


def _configured(model_args: Mapping[str, Any], argument: str) -> Window:
    name = model_args.get("pretrained")
    advice = f"set `{argument}=` in --model_args"
    if not name:
        raise ProbeError(f"the model is unknown, and so is its window; {advice}")
    config = _read_config(str(name), model_args, advice)
    if argument == "max_model_len":
        return _of_engine(config, str(name), advice)
    for key in CONFIG_KEYS:
        if tokens := getattr(config, key, None):
            return _with_text_part(Window(int(tokens), f"{key} of {name}"), config, str(name))
    # lm_eval 0.4.13 would look into a text_config; 0.4.11 would truncate to 2,048
    raise ProbeError(f"the configuration of {name} has none of {', '.join(CONFIG_KEYS)}; {advice}")


def _read_config(name: str, model_args: Mapping[str, Any], advice: str) -> Any:
    from transformers import AutoConfig

    from in2_plugin.probing.probes.tokens import LOADING_ARGUMENTS

    loading = {key: model_args[key] for key in LOADING_ARGUMENTS if model_args.get(key) is not None}
    try:
        return AutoConfig.from_pretrained(name, **loading)
    except Exception as failure:  # transformers raises OSError, ValueError, KeyError and others here
        reason = one_line(failure)
        raise ProbeError(f"the configuration of {name} cannot be read ({reason}); {advice}") from None


def _with_text_part(window: Window, config: Any, name: str) -> Window:
    """Return the smaller limit if a text_config has another one: 0.4.11 reads the outer one, 0.4.13 the inner."""
    inner = getattr(config, "text_config", None)
    tokens = next((int(value) for key in CONFIG_KEYS if (value := getattr(inner, key, None))), window.tokens)
    return window if tokens >= window.tokens else Window(tokens, f"text_config of {name}")


def _of_engine(config: Any, name: str, advice: str) -> Window:
    """Return the window of vLLM and SGLang: the smallest length of the configuration, or less by its YaRN scaling."""
    part = getattr(config, "text_config", None) or config
    lengths = {f"{key} of {name}": getattr(part, key, None) for key in (*CONFIG_KEYS, *ENGINE_KEYS)}
    scaling = getattr(part, "rope_parameters", None) or getattr(part, "rope_scaling", None) or {}
    if "yarn" in (scaling.get("rope_type"), scaling.get("type")):
        original, factor = scaling.get("original_max_position_embeddings"), scaling.get("factor")
        lengths[f"YaRN scaling of {name}"] = int(original * factor) if original and factor else None
    known = {source: int(value) for source, value in lengths.items() if value}
    if not known:
        raise ProbeError(f"the configuration of {name} has no limit for prompts; {advice}")
    source = min(known, key=lambda one: known[one])
    return Window(known[source], source, argument="max_model_len")


def refuse_if_too_long(
    prompt_tokens: int, window: Window | None, invocation: Invocation, needs: PromptNeeds = USUAL_NEEDS
) -> None:
    """Raise PromptTooLong, with the value to set, unless prompt and answer fit.

    The length of the answer is that of the command line (`--gen_kwargs max_gen_toks=`), or of the tasks.
    """
    new_tokens = invocation.new_tokens(needs.new_tokens)
    needed = prompt_tokens + new_tokens
    if window is None or needed <= window.tokens:
        return
    # probe_length includes the answer of the tasks' own length, whatever the command line asks for
    length = window.tokens - new_tokens + needs.new_tokens
    raise PromptTooLong(
        f"the longest prompt has {prompt_tokens:,} tokens and {new_tokens} are generated, but the window is "
        f"{window.tokens:,} ({window.source}) and probes are never truncated: {needs.shortened(length)}, or, if the "
        f"model can take it, {window.argument}={needed + window.kept_back} in --model_args"
    )
