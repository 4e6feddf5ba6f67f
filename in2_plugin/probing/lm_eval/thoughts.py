"""Find out if the prompts of a run open a thought, and report answers that end inside one.

The chat templates of some reasoning models end with `<think>`, so an unfinished thought arrives without any tag and
would be taken for the answer. Cost: rendering one turn.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from in2_plugin.errors import ConfigError
from in2_plugin.probing.lm_eval.command_line import Invocation
from in2_plugin.probing.lm_eval.endpoint import Reply
from in2_plugin.probing.lm_eval.window import OFF, is_api, sends_messages
from in2_plugin.probing.probes.tokens import load_tokens
from in2_plugin.probing.scoring.thoughts import Thoughts

_LOG = logging.getLogger(__name__)


def thoughts_of(
    model_args: Mapping[str, Any], takes_chat_template: bool, invocation: Invocation, reply: Reply | None
) -> Thoughts:
    """Return how the texts of this run are scored.

    Args:
        model_args: model arguments and metadata in one dictionary, as lm_eval passes them.
        takes_chat_template: True if a chat template may be applied to the prompts.
        invocation: the command line of lm_eval.
        reply: the server's reply to the longest prompt, if one was asked.

    Raises:
        ConfigError: lm_eval would remove the tag that tells a finished thought from an unfinished one.
    """
    given: Any = model_args.get("probe_thoughts", "auto")
    if given != "auto":
        return given  # type: ignore[no-any-return]  # the options have checked it
    if not (takes_chat_template and invocation.applies_chat_template):
        return "closed"
    messages = is_api(model_args) and sends_messages(model_args, invocation)
    if messages and reply is not None and reply.separates_thoughts:
        return "separate"
    # lm_eval's API models do not pass on the arguments of the template
    if not load_tokens(model_args, takes_chat_template).opens_thought(with_arguments=not is_api(model_args)):
        return "closed"
    if messages and reply is None:
        _LOG.warning(
            "the chat template of tokenizer= opens a thought, and with probe_trust_endpoint nothing shows if the "
            'server sends thoughts in a field of their own; if it does not, set {"probe_thoughts": "opened"} in '
            "--metadata, or unfinished thoughts are scored as answers"
        )
        return "closed"
    if model_args.get("think_end_token") not in OFF:
        raise ConfigError(
            "this chat template opens a thought, and think_end_token removes the tag that closes it, so unfinished "
            "thoughts would be scored as answers; remove think_end_token from --model_args (and enable_thinking, which "
            "needs it: use chat_template_args), because the probes skip thoughts themselves"
        )
    return "opened"


def unfinished_share(unfinished: Sequence[float]) -> float:
    """Return the share of answers that end inside a thought, and warn if there are any."""
    share = sum(unfinished) / len(unfinished)
    if share:
        _LOG.warning(
            "%s of %s answers (%.1f%%) end inside a thought and count as wrong; allow longer answers with --gen_kwargs "
            "max_gen_toks=, switch thinking off in the chat template, or set {\"probe_thoughts\": \"scored\"} in "
            "--metadata to score whole texts",
            f"{sum(unfinished):,.0f}", f"{len(unfinished):,}", 100 * share,
        )  # fmt: skip
    return share
