"""The endpoint that lm_eval's API models use, and replies; requests are tested in test_endpoint_check.py."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in2_plugin.errors import EndpointError
from in2_plugin.probing.lm_eval.command_line import Invocation
from in2_plugin.probing.lm_eval.endpoint import OPENAI, Reply, endpoint_of, limit_in, public_address
from tests.support.hostile_json import damaged

URL = "http://127.0.0.1:1/v1/completions"


def test_public_addresses_have_no_secrets():
    assert (
        public_address("https://user:password@host:8000/v1/completions?key=secret")
        == "https://host:8000/v1/completions"
    )


def test_openai_models_have_a_default_url_and_their_own_limit_key():
    endpoint = endpoint_of({"model": "gpt-4o"}, Invocation("openai-chat-completions"), messages=True)
    assert (endpoint.url, endpoint.limit_key) == (f"{OPENAI}/chat/completions", "max_completion_tokens")
    assert endpoint_of({"model": "m", "base_url": URL}, Invocation(), messages=False).limit_key == "max_tokens"


def test_certificates_and_timeouts_are_those_of_the_model_arguments():
    args = {"model": "m", "base_url": URL, "ca_cert_path": "/ca.pem", "timeout": "7"}
    endpoint = endpoint_of(args, Invocation(), messages=False)
    assert (endpoint.verify, endpoint.timeout) == ("/ca.pem", 7.0)
    assert endpoint_of({**args, "verify_certificate": False}, Invocation(), messages=False).verify is False


def test_a_model_without_a_url_is_refused():
    with pytest.raises(EndpointError, match="cannot check that a server without a URL reads whole prompts"):
        endpoint_of({"model": "m"}, Invocation(), messages=False)


@pytest.mark.parametrize(
    ("status", "reason", "too_long"),
    [
        (413, "", True),
        (400, "maximum context length is 10", True),
        (400, "no such model", False),
        (500, "length", False),
    ],
)
def test_refusals_for_length(status, reason, too_long):
    assert Reply(status, reason, None).too_long is too_long


MODELS = {"object": "list", "data": [{"id": "m", "max_model_len": 4096}, {"id": "n"}]}
REPLY = {"choices": [], "usage": {"prompt_tokens": 100}, "error": {"message": "m", "detail": "d"}}


def test_a_listed_limit_is_that_of_the_model():
    assert limit_in(MODELS, "m") == 4096
    assert limit_in(MODELS, "n") is None
    assert limit_in({"data": [{"id": "m", "max_model_len": True}]}, "m") is None


@given(damaged(MODELS))
def test_any_json_in_the_place_of_the_list_of_models_is_a_limit_or_none(content):
    found = limit_in(content, "m")
    assert found is None or found >= 0


@given(st.sampled_from([200, 400, 500]), damaged(REPLY))
def test_any_json_in_the_place_of_a_reply_is_a_reply_or_one_sentence(status, content):
    endpoint = endpoint_of({"model": "m", "base_url": URL}, Invocation(), messages=False)
    try:
        reply = endpoint._reply(status, json.dumps(content))
    except EndpointError:
        return
    assert reply.read is None or reply.read >= 0
