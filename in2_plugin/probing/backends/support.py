"""Decide if a model and its settings give the same answers over a shared cache as with `model.generate`, or why not.

The check is conservative: a setting that is not known to be without effect is a reason. The backend then falls back to
lm_eval's own generation with a warning. Cost: none, only configurations are read.
"""

import copy
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from in2_plugin.probing.backends.shared_context import Decoding, cache_argument, without_adapter

NEEDED_ARGUMENTS = ("input_ids", "position_ids", "logits_to_keep")
ROPE_BY_LENGTH = ("dynamic", "longrope")
"""Their angles depend on the length of the whole prompt, so a context alone would get different ones."""
OF_SAMPLING = (
    "do_sample",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "top_h",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
)
OF_BEAMS = ("early_stopping", "length_penalty", "diversity_penalty", "num_beam_groups", "low_memory")
OF_ASSISTANTS = (
    "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold", "assistant_lookbehind",
    "assistant_early_exit", "assistant_ensemble_weight", "target_lookbehind", "max_matching_ngram_size",
)  # fmt: skip
TAKEN_OVER = (
    "eos_token_id", "pad_token_id", "bos_token_id", "decoder_start_token_id", "repetition_penalty", "max_length",
    "use_cache",
)  # fmt: skip
BOOKKEEPING = ("transformers_version", "_from_model_config", "disable_compile", "compile_config")
WITHOUT_EFFECT = frozenset((*OF_SAMPLING, *OF_BEAMS, *OF_ASSISTANTS, *TAKEN_OVER, *BOOKKEEPING))
ONE_IS_NONE = ("num_beams", "num_return_sequences", "encoder_repetition_penalty", "guidance_scale")
ZERO_IS_NONE = ("min_length", "min_new_tokens", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "penalty_alpha")


def reason_against(model: Any, longest: int) -> str | None:
    """Return why prompts and answers of up to `longest` tokens cannot share a cache; None if they can."""
    return next(_reasons(model, longest), None)


def _reasons(model: Any, longest: int) -> Iterator[str]:
    base = without_adapter(model)
    config = base.config.get_text_config(decoder=True)
    takes = inspect.signature(base.forward).parameters
    if base.config.is_encoder_decoder:
        yield "it is an encoder-decoder model"
    if missing := [name for name in (*NEEDED_ARGUMENTS, cache_argument(model)) if name not in takes]:
        yield f"its forward does not take {', '.join(missing)}"
    if getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False):
        yield "its adapter adds virtual tokens to prompts"
    if not getattr(base, "_supports_attention_backend", False):
        yield "transformers cannot replace its attention function"
    if others := sorted(set(getattr(config, "layer_types", None) or []) - {"full_attention"}):
        yield f"it has layers of type {', '.join(others)}"
    if getattr(base, "_is_stateful", False) or getattr(config, "alibi", False):
        yield "its state is more than keys and values"
    window = getattr(config, "sliding_window", None) or getattr(config, "attention_chunk_size", None)
    if window and longest > window and getattr(config, "use_sliding_window", True):
        yield f"its attention window of {window:,} is shorter than {longest:,} tokens"
    if (kind := _rope(config)) in ROPE_BY_LENGTH:
        yield f"the angles of its `{kind}` rotary embedding depend on the length of the prompt"


def _rope(config: Any) -> str | None:
    # configurations before transformers 5 call it `rope_scaling`
    parameters = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None)
    return parameters.get("rope_type", parameters.get("type")) if isinstance(parameters, Mapping) else None


def decoding_for(generation_config: Any, given: Mapping[str, Any], max_new_tokens: int) -> Decoding | str:
    """Return the decoding of `generate` with its configuration and the arguments `given`, or a conflicting setting.

    `given` are the arguments of lm_eval without stop strings and number of tokens.
    """
    config = copy.deepcopy(generation_config)
    unknown = config.update(**given)
    if unknown or "max_length" in given:
        return f"`{next(iter(unknown), 'max_length')}` is among the generation arguments"
    if config.do_sample:
        return "answers are sampled"
    active = (name for name, value in config.to_dict().items() if not _is_neutral(name, value))
    if (name := next(active, None)) is not None:
        return f"`{name}={getattr(config, name, None)}` is set for generation"
    ends = config.eos_token_id
    penalty = 1.0 if config.repetition_penalty is None else float(config.repetition_penalty)
    return Decoding(
        max_new_tokens, frozenset([] if ends is None else ends if isinstance(ends, list) else [ends]), penalty
    )


def _is_neutral(name: str, value: object) -> bool:
    if name in WITHOUT_EFFECT or value is None or value is False:
        return True
    return (name in ONE_IS_NONE and value == 1) or (name in ZERO_IS_NONE and value == 0)
