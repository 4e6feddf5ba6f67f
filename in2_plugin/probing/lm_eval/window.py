"""The window of the tested model, and the refusal of prompts that do not fit it.

Every backend of lm_eval cuts a prompt that is too long on its left, most of them silently, and a cut context scores
like a model that loses the beginning. So the limit is worked out here by the backends' own rules (lm_eval 0.4.11 and
0.4.13: models/huggingface.py, vllm_causallms.py, sglang_causallms.py, api_models.py, openai_completions.py), before
anything is generated. Where backends differ and the backend is unknown, the smaller limit counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from in2_plugin.errors import ProbeError, PromptTooLong
from in2_plugin.probing.lm_eval.command_line import Invocation, read_invocation
from in2_plugin.probing.probes.options import NEW_TOKENS

API_DEFAULT = 2_048
"""`max_length` of lm_eval's API models when none is given."""
GIVEN_KEYS = ("max_length", "max_model_len", "context_length")
CONFIG_KEYS = ("n_positions", "max_position_embeddings", "n_ctx")
ENGINE_KEYS = ("max_seq_len", "seq_length", "model_max_length", "max_sequence_length", "max_seq_length", "seq_len")
"""More keys, of which vLLM takes the smallest (vllm/config/model.py)."""
_ENGINES = ("vllm", "sglang")
OFF = (None, False, 0, "", "none", "None", "false", "False", "0")
"""What switches a model argument off, on the command line and in Python."""


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens that prompt and answer may have together, and where that number comes from."""

    tokens: int
    source: str
    kept_back: int = 0
    """Tokens that the backend takes off `max_length`."""
    argument: str = "max_length"
    """The model argument that sets it."""


def model_window(model_args: Mapping[str, Any], argv: Sequence[str] | None = None) -> Window | None:
    """The window that lm_eval will cut prompts to; None when it sends text and never cuts.

    Args:
        model_args: model arguments and metadata in one, as lm_eval passes them.
        argv: the command line of this process when None.

    Raises:
        ProbeError: nothing says how large the window is.
    """
    invocation = read_invocation(argv)
    given = next((key for key in GIVEN_KEYS if model_args.get(key)), None)
    if is_api(model_args):
        return _of_api(model_args, given, invocation)
    argument = "max_model_len" if _engine(invocation) else "max_length"
    if given:
        return Window(int(model_args[given]), f"{given}={model_args[given]}", argument=given)
    return _configured(model_args, argument)


def is_api(model_args: Mapping[str, Any]) -> bool:
    """Whether these are arguments of a model behind an address: its kind itself is not told to tasks."""
    return bool(model_args.get("base_url")) or ("model" in model_args and not model_args.get("pretrained"))


def sends_messages(model_args: Mapping[str, Any], invocation: Invocation) -> bool:
    """Whether lm_eval sends chat messages: by the backend's name, or else by the path of its address."""
    if invocation.model and "completions" in invocation.model:
        return "chat" in invocation.model
    return "/chat/completions" in str(model_args.get("base_url", ""))


def sends_tokens(model_args: Mapping[str, Any], invocation: Invocation) -> bool:
    """Whether lm_eval sends token ids, which it cuts before."""
    backend = model_args.get("tokenizer_backend", "huggingface")
    wanted = backend not in OFF and model_args.get("tokenized_requests", True) not in OFF
    return wanted and not sends_messages(model_args, invocation)


def _of_api(model_args: Mapping[str, Any], given: str | None, invocation: Invocation) -> Window | None:
    if given is None and not sends_tokens(model_args, invocation):
        return None
    tokens = int(model_args[given]) if given else API_DEFAULT
    source = f"{given}={tokens}" if given else f"lm_eval's default max_length of {API_DEFAULT:,} for API models"
    # api_models.py takes one token off, for the answer
    return Window(tokens - 1, source, kept_back=1)


def _engine(invocation: Invocation) -> bool:
    return invocation.model is not None and any(name in invocation.model for name in _ENGINES)


def _configured(model_args: Mapping[str, Any], argument: str) -> Window:
    name = model_args.get("pretrained")
    advice = f"give `{argument}=` in --model_args"
    if not name:
        raise ProbeError(f"no model is named, so its window is unknown; {advice}")
    config = _read_config(str(name), model_args, advice)
    if argument == "max_model_len":
        return _of_engine(config, str(name), advice)
    for key in CONFIG_KEYS:
        if tokens := getattr(config, key, None):
            return _with_text_part(Window(int(tokens), f"{key} of {name}"), config, str(name))
    # lm_eval 0.4.13 would look into a text_config, 0.4.11 would cut to 2,048 there
    raise ProbeError(f"the configuration of {name} has none of {', '.join(CONFIG_KEYS)}; {advice}")


def _read_config(name: str, model_args: Mapping[str, Any], advice: str) -> Any:
    from transformers import AutoConfig

    from in2_plugin.probing.probes.tokens import LOADING_ARGUMENTS

    loading = {key: model_args[key] for key in LOADING_ARGUMENTS if model_args.get(key) is not None}
    try:
        return AutoConfig.from_pretrained(name, **loading)
    except Exception as failure:  # transformers raises OSError, ValueError, KeyError and others here
        reason = (str(failure).strip().splitlines() or [type(failure).__name__])[0]
        raise ProbeError(f"the configuration of {name} cannot be read ({reason}); {advice}") from None


def _with_text_part(window: Window, config: Any, name: str) -> Window:
    """The smaller of both where a text_config says something else: 0.4.11 reads the outer one, 0.4.13 the inner."""
    inner = getattr(config, "text_config", None)
    tokens = next((int(value) for key in CONFIG_KEYS if (value := getattr(inner, key, None))), window.tokens)
    return window if tokens >= window.tokens else Window(tokens, f"text_config of {name}")


def _of_engine(config: Any, name: str, advice: str) -> Window:
    """What vLLM and SGLang start with: the smallest length of the configuration, or less by its YaRN scaling."""
    part = getattr(config, "text_config", None) or config
    lengths = {f"{key} of {name}": getattr(part, key, None) for key in (*CONFIG_KEYS, *ENGINE_KEYS)}
    scaling = getattr(part, "rope_parameters", None) or getattr(part, "rope_scaling", None) or {}
    if "yarn" in (scaling.get("rope_type"), scaling.get("type")):
        original, factor = scaling.get("original_max_position_embeddings"), scaling.get("factor")
        lengths[f"YaRN scaling of {name}"] = int(original * factor) if original and factor else None
    known = {source: int(value) for source, value in lengths.items() if value}
    if not known:
        raise ProbeError(f"the configuration of {name} does not say how long prompts may be; {advice}")
    source = min(known, key=lambda one: known[one])
    return Window(known[source], source, argument="max_model_len")


def refuse_if_too_long(prompt_tokens: int, window: Window | None, argv: Sequence[str] | None = None) -> None:
    """Raise PromptTooLong, naming the value to set, unless prompt and answer fit.

    The answer is as long as `argv` says (`--gen_kwargs max_gen_toks=`), or as the tasks say.
    """
    new_tokens = read_invocation(argv).new_tokens(NEW_TOKENS)
    needed = prompt_tokens + new_tokens
    if window is None or needed <= window.tokens:
        return
    # probe_length holds the answer that the tasks ask for, whatever the command line asks for
    length = window.tokens - new_tokens + NEW_TOKENS
    raise PromptTooLong(
        f"the longest prompt has {prompt_tokens:,} tokens and {new_tokens} are generated, but the window is "
        f"{window.tokens:,} ({window.source}) and probes are never cut: set probe_length to at most {length} "
        f"in --metadata, or, if the model can take it, {window.argument}={needed + window.kept_back} in --model_args"
    )
