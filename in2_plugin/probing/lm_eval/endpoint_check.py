"""The limit of a server, which only the server knows: it is asked once, with the longest prompt of the probe.

A server that silently drops the beginning of a prompt gives a curve that looks like a model that forgets it. So before
anything is measured the server must say, in `usage` of one real request, that it has read the whole prompt. Cost: one
prefill and one answer, and the prefill stays in the server's prefix cache.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from in2_plugin.errors import EndpointError, PromptTooLong
from in2_plugin.probing.lm_eval.command_line import read_invocation
from in2_plugin.probing.lm_eval.endpoint import TRUST, Endpoint, Reply, endpoint_of
from in2_plugin.probing.lm_eval.window import OFF, is_api, sends_messages, sends_tokens
from in2_plugin.probing.probes.options import NEW_TOKENS
from in2_plugin.probing.probes.tokens import load_tokens

FEWER = 4
"""Tokens that a server may read less than we count: a BOS of its own, and the seams of the chat template."""
MORE_SHARE, MORE_TOKENS = 0.02, 256
"""What a server may read more: the system text of its chat template. Another tokenizer differs by 5% and more."""


def refuse_if_endpoint_cuts(
    model_args: Mapping[str, Any],
    prompt: str,
    tokens: int,
    takes_chat_template: bool,
    argv: Sequence[str] | None = None,
) -> None:
    """Ask the endpoint of `model_args`, if there is one, to read `prompt` as lm_eval will send it.

    Args:
        model_args: model arguments and metadata in one, as lm_eval passes them; without an address nothing is asked,
            nor with `probe_trust_endpoint`.
        prompt: the longest prompt of the probe.
        tokens: how many tokens it has at most, chat template included.
        takes_chat_template: whether the prompt may go into one.
        argv: the command line of this process when None.

    Raises:
        PromptTooLong: the server refuses the prompt for its length, or has read less than all of it.
        EndpointError: it cannot be asked, or does not say what it has read.
    """
    if not is_api(model_args) or model_args.get("probe_trust_endpoint") not in OFF:
        return
    invocation = read_invocation(argv)
    messages = sends_messages(model_args, invocation)
    endpoint = endpoint_of(model_args, invocation, messages)
    new = invocation.new_tokens(NEW_TOKENS)
    _compare_with_models(endpoint, tokens, new)
    counter = load_tokens(model_args, takes_chat_template)
    if messages:
        body: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}]}
        least, most = counter.plain(prompt), tokens
    elif sends_tokens(model_args, invocation):
        # without a command line the chat template may be applied or not; with one, the prefix stays in the cache
        ids = counter.sent_ids(prompt, invocation.applies_chat_template if invocation.model else None)
        body, least, most = {"prompt": [ids]}, len(ids), len(ids)
    else:
        body = {"prompt": prompt}
        least, most = counter.plain(prompt), tokens
    _judge(endpoint, endpoint.ask(body, new), least, most, new)


def _compare_with_models(endpoint: Endpoint, tokens: int, new: int) -> None:
    limit = endpoint.listed_limit()
    if limit is not None and tokens + new > limit:
        raise PromptTooLong(
            f"{endpoint.name} says that {endpoint.model} takes {limit:,} tokens (max_model_len), but the longest "
            f"prompt has {tokens:,} and {new} are generated: set probe_length to at most {limit - new + NEW_TOKENS} in "
            f"--metadata, or start the server with at least {tokens + new}"
        )


def _judge(endpoint: Endpoint, reply: Reply, least: int, most: int, new: int) -> None:
    """Raise unless the server says that it has read the whole prompt of `least` to `most` tokens."""
    asked = f"{most:,} tokens and {new} to generate"
    if reply.too_long:
        raise PromptTooLong(
            f"{endpoint.name} refuses the longest prompt ({asked}): {reply.reason}; lower probe_length in --metadata, "
            "or start the server with a larger limit"
        )
    if reply.status != 200:
        raise EndpointError(
            f"{endpoint.name} answers HTTP {reply.status} to the longest prompt ({asked}): {reply.reason}{reply.advice}"
        )
    if reply.read is None:
        raise EndpointError(
            f"{endpoint.name} does not say how many tokens it has read (usage.prompt_tokens), so a cut prompt would go "
            f"unnoticed: use a server that does, {TRUST}"
        )
    if reply.read < least - FEWER:
        raise PromptTooLong(
            f"{endpoint.name} has read {reply.read:,} of the {least:,} tokens of the longest prompt: start the server "
            f"with a limit of at least {most + new}, lower probe_length in --metadata, or, if its tokenizer is another "
            "one than yours, name it as tokenizer= in --model_args"
        )
    if reply.read > most * (1 + MORE_SHARE) + MORE_TOKENS:
        raise EndpointError(
            f"{endpoint.name} has read {reply.read:,} tokens where tokenizer= gives {most:,}, so its tokenizer is "
            f"another one and lengths would be wrong: name the right one as tokenizer= in --model_args, {TRUST}"
        )
