import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from in2_plugin.config import LiteralChecks
from in2_plugin.questions import Kind
from in2_plugin.questions.model.checks import objection
from in2_plugin.questions.model.parsing import parse
from in2_plugin.questions.model.prompts import make_prompt, response_format, retry_prompt
from tests.support import fault_server
from tests.support.fault_server import FaultServer, default_reply, random_faults

TEXTS = (
    "The harbour of Elm was founded by a crew of fishermen from the northern islands.",
    "Its lighthouse burnt down twice and was built again by the sailors of the town.",
)


def post(url: str, body: dict) -> dict:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer x"}
    request = urllib.request.Request(f"{url}/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("answer_format", ["json_schema", "markers"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("again", [False, True])
def test_the_default_reply_passes_the_checks(kind, answer_format, count, again):
    texts = TEXTS if kind is Kind.INTEGRATION else TEXTS[:1]
    prompt = make_prompt(kind, texts, count, answer_format, None, 0)
    prompt = retry_prompt(prompt, "it was odd") if again else prompt
    body = {"messages": [{"role": "user", "content": prompt}]}
    if answer_format == "json_schema":
        body["response_format"] = response_format(kind)
    reply = default_reply(body)
    assert reply == default_reply(body)
    assert reply.startswith("{") == (answer_format == "json_schema")
    pairs = parse(reply, kind, len(texts))
    assert len({pair.question for pair in pairs}) == count
    assert [objection(pair, texts, LiteralChecks()) for pair in pairs] == [None] * count
    assert {pair.pieces for pair in pairs} == {(1, 2) if kind is Kind.INTEGRATION else None}


def test_random_faults_have_their_rates_and_depend_on_the_seed():
    rates = {"500": 0.2, "drop": 0.1}
    plan, same = random_faults(7, rates), random_faults(7, rates)
    seen = [plan(n, {}) for n in range(5_000)]
    assert seen == [same(n, {}) for n in range(5_000)]
    assert 0.18 < seen.count("500") / 5_000 < 0.22
    assert 0.08 < seen.count("drop") / 5_000 < 0.12


def test_only_computed_completions_are_paid_for():
    faults = ["half body", "drop after head", "lost", "drop", "500", "429", "garbage"]
    with FaultServer(lambda body: "x", plan=lambda n, body: faults[n]) as server:
        for fault in faults:
            with pytest.raises((OSError, ValueError, urllib.error.URLError, http.client.HTTPException)):
                post(server.base_url, {"messages": [{"role": "user", "content": fault}]})
        assert set(server.paid) == {"half body", "drop after head", "lost"}
        assert server.faults.total() == len(server.bodies) == len(faults)


def test_it_runs_as_a_separate_process():
    command = [sys.executable, fault_server.__file__, "--port", "0", "--latency", "0", "--faults", '{"500": 0}']
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        body = {"messages": [{"role": "user", "content": f"Say.\n\nText:\n{TEXTS[0]}"}]}
        assert post(url, body)["choices"][0]["message"]["content"].startswith("### Question ###:")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
