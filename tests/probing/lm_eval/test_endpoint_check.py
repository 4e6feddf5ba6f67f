"""Check against a real server on localhost that the whole prompt is read."""

import logging
import shutil
import socket
from pathlib import Path

import pytest

from in2_plugin.errors import EndpointError, PromptTooLong
from in2_plugin.probing.lm_eval.command_line import read_invocation
from in2_plugin.probing.lm_eval.endpoint_check import refuse_if_endpoint_cuts
from in2_plugin.probing.probes.tokens import load_tokens
from tests.support import vocabularies
from tests.support.oracle_server import OracleServer
from tests.support.tiny_lm import CHAT_TEMPLATE
from tests.support.vocabularies import put_bos_first

LINES = "\n".join(f"<id: {n:04d}, label: thing {n}, description: the thing with number {n}>" for n in range(60))
PROMPT = f"### Context:\n{LINES}\n\n### Instruction:\nWhat is the label where the id is 0000 ?"
FORMS = {
    "tokens": ("completions", {}),
    "text": ("completions", {"tokenized_requests": False}),
    "messages": ("chat/completions", {}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A small tokenizer, since every test loads it once."""
    tokenizer = vocabularies.byte_level([PROMPT], vocabularies.QWEN2_REGEX, ["<unk>", "<s>", "</s>"], vocab_size=600)
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return vocabularies.save(tokenizer, tmp_path_factory.mktemp("endpoint"), CHAT_TEMPLATE, **names)


@pytest.fixture(scope="module")
def counter(folder):
    return load_tokens({"tokenizer": str(folder)}, takes_chat_template=True)


@pytest.fixture
def oracle(folder):
    from transformers import AutoTokenizer

    with OracleServer(AutoTokenizer.from_pretrained(folder)) as server:
        yield server


@pytest.fixture(params=FORMS)
def ask(request, oracle, folder, counter):
    """Ask the oracle in one of the three forms."""
    path, more = FORMS[request.param]

    def asking(*argv: str, **model_args: object) -> None:
        names = {"base_url": oracle.url(path), "model": "oracle", "tokenizer": str(folder), **more}
        refuse_if_endpoint_cuts({**names, **model_args}, PROMPT, counter.prompt(PROMPT), True, read_invocation(argv))

    return asking


def test_a_sufficient_limit_passes(ask, oracle, counter):
    oracle.limit = counter.prompt(PROMPT) + 128
    ask()
    (body,) = oracle.bodies
    assert body["model"] == "oracle" and body["max_tokens"] == 128 and PROMPT in oracle.prompts[0]
    oracle.listed = oracle.limit
    ask()


def test_a_server_that_refuses(ask, oracle):
    oracle.limit = 1_000
    with pytest.raises(PromptTooLong, match=r"refuses the longest prompt .* maximum context length is 1000 .*; lower"):
        ask()


@pytest.mark.parametrize("over", ["left", "middle"])
def test_a_server_that_truncates_and_reports_it(ask, oracle, counter, over):
    oracle.limit, oracle.over = counter.plain(PROMPT) + 120, over
    with pytest.raises(PromptTooLong, match=r"has read [\d,]+ of the [\d,]+ tokens of the longest prompt: start the"):
        ask()


def test_a_server_that_reports_nothing(ask, oracle):
    oracle.usage = False
    with pytest.raises(EndpointError, match=r"does not report how many tokens it has read .*probe_trust_endpoint"):
        ask()
    ask(probe_trust_endpoint=True)
    assert len(oracle.bodies) == 1
    with pytest.raises(EndpointError, match="does not report"):
        ask(probe_trust_endpoint="false")


def test_a_server_with_another_tokenizer(ask, oracle):
    oracle.more = 200
    ask()
    oracle.more = 400
    with pytest.raises(EndpointError, match=r"but tokenizer= gives [\d,]+, so its tokenizer is a"):
        ask()


def test_a_listed_limit_is_checked_before_anything_is_sent(ask, oracle):
    oracle.listed = 600
    with pytest.raises(PromptTooLong, match=r"oracle with a limit of 600 tokens .*set probe_length to at most 600 in"):
        ask()
    assert oracle.bodies == []


def test_longer_answers_are_counted(ask, oracle, counter):
    oracle.limit = counter.prompt(PROMPT) + 128
    with pytest.raises(PromptTooLong, match="512 to generate"):
        ask("--gen_kwargs", "max_gen_toks=512")
    assert oracle.bodies[0]["max_tokens"] == 512


@pytest.mark.parametrize(
    ("takes_template", "argv", "start"),
    [
        (True, [], "<s>[INST] ### Context"),
        (True, ["--model", "local-completions"], "### Context"),
        (True, ["--model", "in2-local-completions", "--apply_chat_template"], "<s>[INST] ### Context"),
        (False, [], "### Context"),
    ],
)
def test_token_ids_are_those_of_the_run(oracle, folder, counter, takes_template, argv, start):
    """The chat template is applied if the command line does; if unknown, the longer form is sent. No other BOS."""
    names = {"base_url": oracle.url(), "model": "oracle", "tokenizer": str(folder)}
    refuse_if_endpoint_cuts(names, PROMPT, counter.prompt(PROMPT), takes_template, read_invocation(argv))
    assert oracle.prompts[0].startswith(start)


@pytest.mark.parametrize(
    ("argv", "add_bos_token", "said"),
    [
        (["--model", "in2-local-completions"], None, None),
        (["--model", "in2-local-completions", "--apply_chat_template"], True, None),
        (["--model", "local-completions"], None, "fewer"),
        (["--model", "local-completions"], True, None),
        (["--model", "local-completions", "--apply_chat_template"], None, None),
        (["--model", "local-completions", "--apply_chat_template"], True, "more"),
    ],
)
def test_another_bos_than_with_hf_is_reported(oracle, folder, counter, tmp_path, caplog, argv, add_bos_token, said):
    copy = put_bos_first(shutil.copytree(folder, tmp_path / "bos"))
    given = {} if add_bos_token is None else {"add_bos_token": add_bos_token}
    names = {"base_url": oracle.url(), "model": "oracle", "tokenizer": str(copy), **given}
    with caplog.at_level(logging.WARNING):
        refuse_if_endpoint_cuts(names, PROMPT, counter.prompt(PROMPT), True, read_invocation(argv))
    expected = {None: 1, "fewer": 0, "more": 2}[said]
    assert oracle.prompts[0].count("<s>") == expected
    reported = [text for text in caplog.messages if "(BOS)" in text]
    assert len(reported) == (said is not None) and (said is None or f"sends {said} special tokens" in reported[0])


def test_the_key_is_sent_and_never_shown(ask, oracle, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    oracle.status, oracle.reason = 401, "Incorrect API key provided: sk-secret. " + "x" * 500
    with pytest.raises(EndpointError, match=r"HTTP 401 .*provided: \[key\]\. x+…; set OPENAI_API_KEY$"):
        ask()
    assert oracle.headers[0]["Authorization"] == "Bearer sk-secret"
    with pytest.raises(EndpointError, match="HTTP 401"):
        ask(header={"X-Key": "other"})
    assert oracle.headers[1]["X-Key"] == "other" and "Authorization" not in oracle.headers[1]


@pytest.mark.parametrize(("status", "advice"), [(404, "correct base_url or model"), (418, "see the server's log")])
def test_other_errors_have_a_reason_and_advice(ask, oracle, status, advice):
    oracle.status = status
    with pytest.raises(EndpointError, match=rf"HTTP {status} to the longest prompt .*: out of order; {advice}"):
        ask()


def test_a_refused_connection(counter, folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:password@127.0.0.1:{free.getsockname()[1]}/v1/completions?key=secret"
    names = {"base_url": url, "model": "oracle", "tokenizer": str(folder)}
    with pytest.raises(
        EndpointError, match=r"^cannot connect to http://127\.0\.0\.1:\d+/v1/completions \(Conn"
    ) as caught:
        refuse_if_endpoint_cuts(names, PROMPT, counter.prompt(PROMPT), True, read_invocation([]))
    assert "password" not in str(caught.value) and "secret" not in str(caught.value)


def test_a_server_that_never_answers(counter, folder):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1/completions"
        names = {"base_url": url, "model": "oracle", "tokenizer": str(folder), "timeout": 0.2}
        with pytest.raises(EndpointError, match=r"within 0\.2 s; set timeout=SECONDS"):
            refuse_if_endpoint_cuts(names, PROMPT, counter.prompt(PROMPT), True, read_invocation([]))


@pytest.mark.parametrize("names", [{"model": "m"}, {"model": "m", "base_url": "http://h:1/generate"}])
def test_urls_of_other_endpoints_are_refused(names):
    with pytest.raises(EndpointError, match=r"reads whole prompts: set .*trust_endpoint"):
        refuse_if_endpoint_cuts(names, PROMPT, 100, True, read_invocation([]))


def test_local_models_have_no_endpoint_to_check():
    refuse_if_endpoint_cuts({"pretrained": "/nowhere"}, PROMPT, 100, True, read_invocation([]))
