"""If the prompts of a run open a thought: by option, chat template and server."""

import pytest
from transformers import AutoTokenizer

from in2_plugin.errors import ConfigError
from in2_plugin.probing.lm_eval.command_line import Invocation
from in2_plugin.probing.lm_eval.endpoint import Reply
from in2_plugin.probing.lm_eval.thoughts import thoughts_of, unfinished_share

IN_TEMPLATE = Invocation(model="hf", applies_chat_template=True)
CHAT = Invocation(model="in2-local-chat-completions", applies_chat_template=True)
OPENING = (
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% else %}<think>\n{% endif %}"
)


@pytest.fixture(scope="module")
def opening(qwen_folder, tmp_path_factory) -> dict:
    """Model arguments with a tokenizer whose chat template ends with `<think>` unless thinking is switched off."""
    tokenizer = AutoTokenizer.from_pretrained(qwen_folder)
    tokenizer.chat_template += OPENING
    folder = tmp_path_factory.mktemp("opening")
    tokenizer.save_pretrained(folder)
    return {"pretrained": str(folder)}


def test_the_chat_template_tells_if_it_is_applied(opening, qwen_folder):
    assert thoughts_of(opening, True, IN_TEMPLATE, None) == "opened"
    assert thoughts_of({**opening, "enable_thinking": False}, True, IN_TEMPLATE, None) == "closed"
    assert thoughts_of(opening, False, IN_TEMPLATE, None) == "closed"
    assert thoughts_of(opening, True, Invocation(model="hf"), None) == "closed"
    assert thoughts_of({"pretrained": str(qwen_folder)}, True, IN_TEMPLATE, None) == "closed"


def test_a_server_may_send_thoughts_in_their_own_field(opening, caplog):
    served = {"base_url": "http://localhost:1/v1/chat/completions", "model": "m", "tokenizer": opening["pretrained"]}
    assert thoughts_of(served, True, CHAT, Reply(200, "", 9, separates_thoughts=True)) == "separate"
    assert thoughts_of(served, True, CHAT, Reply(200, "", 9)) == "opened"
    assert not caplog.messages
    assert thoughts_of(served, True, CHAT, None) == "closed"
    assert 'if it does not, set {"probe_thoughts": "opened"} in --metadata' in caplog.messages[0]


def test_the_option_wins(opening):
    for given in ("opened", "closed", "scored"):
        assert thoughts_of({**opening, "probe_thoughts": given}, True, IN_TEMPLATE, None) == given


def test_a_closing_tag_that_lm_eval_removes_is_refused(opening):
    with pytest.raises(ConfigError, match="remove think_end_token from --model_args"):
        thoughts_of({**opening, "think_end_token": "</think>"}, True, IN_TEMPLATE, None)


def test_the_share_is_reported(caplog):
    assert unfinished_share([0.0, 0.0]) == 0.0 and not caplog.messages
    assert unfinished_share([1.0, 0.0, 0.0, 1.0]) == 0.5
    assert caplog.messages[0].startswith("2 of 4 answers (50.0%) end inside a thought and count as wrong; allow longer")
