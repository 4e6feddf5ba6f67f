"""Check that a server reads the whole longest prompt of the probe, by sending it once before anything is measured.

Only the server knows its limit. One that silently drops the beginning of a prompt gives a curve that looks like a
model that forgets it, so the server must report, in `usage` of one real request, that it has read the whole prompt.
Cost: one prefill and one answer; the prefill stays in the server's prefix cache.
"""

import logging
from collections.abc import Mapping
from typing import Any

from in2_plugin.errors import EndpointError, PromptTooLong
from in2_plugin.llm.usage import has_read_all
from in2_plugin.probing.lm_eval.command_line import Invocation
from in2_plugin.probing.lm_eval.endpoint import TRUST, ProbedEndpoint, Reply, endpoint_of
from in2_plugin.probing.lm_eval.window import OFF, USUAL_NEEDS, PromptNeeds, is_api, sends_messages, sends_tokens
from in2_plugin.probing.probes.tokens import ModelTokens, load_tokens

_LOG = logging.getLogger(__name__)
MORE_SHARE, MORE_TOKENS = 0.02, 256
"""Tokens that a server may read more: the system text of its chat template. Another tokenizer differs by 5% or more."""


def refuse_if_endpoint_cuts(
    model_args: Mapping[str, Any],
    prompt: str,
    tokens: int,
    takes_chat_template: bool,
    invocation: Invocation,
    needs: PromptNeeds = USUAL_NEEDS,
) -> Reply | None:
    """Return the reply to `prompt` of the endpoint of `model_args`, asked exactly as lm_eval will; None without one.

    Args:
        model_args: model arguments and metadata in one dictionary, as lm_eval passes them; without a URL, or with
            `probe_trust_endpoint`, nothing is sent.
        prompt: the longest prompt of the probe.
        tokens: upper bound of its tokens, chat template included.
        takes_chat_template: True if a chat template may be applied to it.
        invocation: the command line of lm_eval.
        needs: the task's generated tokens.

    Raises:
        PromptTooLong: the server refuses the prompt for its length, or has not read all of it.
        EndpointError: the server does not answer, or does not report how much it has read.
    """
    if not is_api(model_args) or model_args.get("probe_trust_endpoint") not in OFF:
        return None
    messages = sends_messages(model_args, invocation)
    endpoint = endpoint_of(model_args, invocation, messages)
    new = invocation.new_tokens(needs.new_tokens)
    _compare_with_models(endpoint, tokens, new, needs)
    counter = load_tokens(model_args, takes_chat_template)
    if messages:
        body: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}]}
        least, most = counter.plain(prompt), tokens
    elif sends_tokens(model_args, invocation):
        ids = _token_ids(counter, prompt, invocation)
        body, least, most = {"prompt": [ids]}, len(ids), len(ids)
    else:
        body = {"prompt": prompt}
        least, most = counter.plain(prompt), tokens
    reply = endpoint.ask(body, new)
    _check_reply(endpoint, reply, least, most, new, needs)
    return reply


def _token_ids(counter: ModelTokens, prompt: str, invocation: Invocation) -> list[int]:
    """Return the ids that lm_eval will send, and warn if `hf` would give the model others."""
    # without a command line the chat template may be applied or not; with one, the prefix stays in the cache
    in_template = invocation.applies_chat_template if invocation.model else None
    like_hf = counter.sent_ids(prompt, in_template, like_hf=True)
    if (invocation.model or "in2-").startswith("in2-"):
        return like_hf
    ids = counter.sent_ids(prompt, in_template, like_hf=False)
    if ids != like_hf:
        _LOG.warning(
            "--model %s sends %s special tokens (BOS) than hf, so the two measure differently; use --model "
            "in2-local-completions, which sends what hf sends",
            invocation.model,
            "fewer" if len(ids) < len(like_hf) else "more",
        )
    return ids


def _compare_with_models(endpoint: ProbedEndpoint, tokens: int, new: int, needs: PromptNeeds) -> None:
    limit = endpoint.listed_limit()
    if limit is not None and tokens + new > limit:
        raise PromptTooLong(
            f"{endpoint.name} lists {endpoint.model} with a limit of {limit:,} tokens (max_model_len), but the longest "
            f"prompt has {tokens:,} and {new} are generated: {needs.shortened(limit - new + needs.new_tokens)}, or "
            f"start the server with at least {tokens + new}"
        )


def _check_reply(endpoint: ProbedEndpoint, reply: Reply, least: int, most: int, new: int, needs: PromptNeeds) -> None:
    """Raise unless the server reports that it has read the whole prompt of `least` to `most` tokens."""
    asked = f"{most:,} tokens and {new} to generate"
    if reply.too_long:
        raise PromptTooLong(
            f"{endpoint.name} refuses the longest prompt ({asked}): {reply.reason}; {needs.shortened_further}, or "
            "start the server with a larger limit"
        )
    if reply.status != 200:
        raise EndpointError(
            f"{endpoint.name} answers HTTP {reply.status} to the longest prompt ({asked}): {reply.reason}{reply.advice}"
        )
    if reply.read is None:
        raise EndpointError(
            f"{endpoint.name} does not report how many tokens it has read (usage.prompt_tokens), so a truncated prompt "
            f"would go unnoticed: use a server that does, {TRUST}"
        )
    if not has_read_all(reply.read, least):
        raise PromptTooLong(
            f"{endpoint.name} has read {reply.read:,} of the {least:,} tokens of the longest prompt: start the server "
            f"with a limit of at least {most + new}, {needs.shortened_further}, or, if its tokenizer differs from "
            "yours, set tokenizer= in --model_args"
        )
    if reply.read > most * (1 + MORE_SHARE) + MORE_TOKENS:
        raise EndpointError(
            f"{endpoint.name} has read {reply.read:,} tokens, but tokenizer= gives {most:,}, so its tokenizer is a "
            f"different one and lengths would be wrong: set the right one as tokenizer= in --model_args, {TRUST}"
        )
