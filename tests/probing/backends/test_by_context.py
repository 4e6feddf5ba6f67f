"""The API backends grouped by context: the requests that reach a real local server, and their order."""

import json
import random
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path

import pytest
from lm_eval.api.instance import Instance
from lm_eval.models.api_models import JsonChatStr
from lm_eval.models.huggingface import HFLM
from lm_eval.models.openai_completions import LocalCompletionsAPI
from transformers import LlamaConfig

from in2_plugin.errors import ConfigError
from in2_plugin.probing.backends.by_context import (
    ChatCompletionsByContext,
    CompletionsByContext,
    by_context,
)
from in2_plugin.probing.probes.tokens import load_tokens
from tests.support.tiny_lm import SHAPE, save
from tests.support.vocabularies import put_bos_first

SETTINGS = {"until": [], "max_gen_toks": 8, "do_sample": False}


class LastWordHandler(BaseHTTPRequestHandler):
    """Serves completions and chat completions that repeat the prompt's last word."""

    prompts: list[str]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if chat := "messages" in body:
            texts = [body["messages"][-1]["content"]]
        else:
            texts = [body["prompt"]] if isinstance(body["prompt"], str) else body["prompt"]
        self.prompts.extend(texts)
        last = [text.split()[-1] for text in texts]
        choices = [
            {"index": i, "message": {"content": word}} if chat else {"index": i, "text": word}
            for i, word in enumerate(last)
        ]
        reply = json.dumps({"choices": choices}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        """Keep the test's output free of requests."""


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[str]]]:
    """URL of the server, and the prompts that reached it."""
    prompts: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (LastWordHandler,), {"prompts": prompts})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1", prompts
        server.shutdown()


def requests(chat: bool = False) -> list[Instance]:
    """Questions about three contexts of two probes, mixed, of mixed lengths, and two of another task."""
    rng = random.Random(0)
    rows = [({"probe": probe, "set": number}, q) for probe, number in (("a", 0), ("a", 1), ("b", 0)) for q in range(6)]
    rows += [({"question": "?"}, 6), ({"question": "?"}, 7)]
    rng.shuffle(rows)
    made = []
    for index, (row, question) in enumerate(rows):
        prompt = f"{row.get('probe')}{row.get('set')} {'word ' * rng.randrange(30)} answer{question}"
        turns = JsonChatStr(json.dumps([{"role": "user", "content": prompt}]))
        made.append(Instance("generate_until", row, (turns if chat else prompt, SETTINGS), index))
    return made


def runs(prompts: list[str]) -> list[str]:
    """The contexts in the order in which they were asked about."""
    return [context for context, _ in groupby(text.split()[0] for text in prompts)]


def expected(asked: list[Instance]) -> list[str]:
    return [re.findall(r"answer\d", str(request.args[0]))[0] for request in asked]


ARGUMENTS = {"model": "oracle", "tokenizer_backend": None, "tokenized_requests": False, "max_length": 10_000}


@pytest.mark.parametrize("concurrent", [1, 4])
def test_a_server_gets_one_context_after_another(endpoint, concurrent):
    url, prompts = endpoint
    more = ARGUMENTS | {"base_url": f"{url}/completions", "num_concurrent": concurrent}
    asked = requests()
    assert CompletionsByContext(**more).generate_until(asked, disable_tqdm=True) == expected(asked)
    assert sorted(runs(prompts)) == ["NoneNone", "a0", "a1", "b0"] and len(prompts) == 20
    prompts.clear()
    assert LocalCompletionsAPI(**more).generate_until(asked, disable_tqdm=True) == expected(asked)
    assert len(runs(prompts)) > 8  # lm_eval's own order: by length


def test_chat_endpoints_too(endpoint):
    url, prompts = endpoint
    asked = requests(chat=True)
    lm = ChatCompletionsByContext(**ARGUMENTS | {"base_url": f"{url}/chat/completions"})
    assert lm.generate_until(asked, disable_tqdm=True) == expected(asked)
    assert sorted(runs(prompts)) == ["NoneNone", "a0", "a1", "b0"]


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[bool, Path]:
    """Folders of models whose tokenizer puts a BOS before every text, and of others."""
    plain, bos = (save(LlamaConfig(**SHAPE), tmp_path_factory.mktemp("bos") / name) for name in ("plain", "bos"))
    return {False: plain, True: put_bos_first(bos)}


@pytest.mark.parametrize("add_bos_token", [None, True, False])
@pytest.mark.parametrize("has_bos", [True, False])
def test_token_ids_are_those_of_hf(models, has_bos, add_bos_token):
    """A base model's prompt, one in a chat template that begins with the BOS, and both at once."""
    given = {} if add_bos_token is None else {"add_bos_token": add_bos_token}
    hf = HFLM(pretrained=str(models[has_bos]), device="cpu", **given)
    ours = CompletionsByContext(base_url="http://localhost:1", tokenizer=str(models[has_bos]), model="m", **given)
    plain = "Which function?"
    chat = ours.apply_chat_template([{"role": "user", "content": plain}])
    assert chat == hf.apply_chat_template([{"role": "user", "content": plain}]) and chat.startswith("<s>")
    expected = {text: hf.tok_batch_encode([text])[0][0].tolist() for text in (plain, chat)}
    assert ours.tok_encode([plain, chat], add_special_tokens=ours.add_bos_token) == list(expected.values())
    assert ours.tok_encode(plain) == hf.tok_encode(plain) == expected[plain]
    starts_with_bos = has_bos if add_bos_token is None else add_bos_token
    assert [ids.count(1) for ids in expected.values()] == [int(starts_with_bos), 1]
    # the check of an endpoint sends the same
    counter = load_tokens({"tokenizer": str(models[has_bos]), **given}, takes_chat_template=True)
    assert counter.sent_ids(plain, in_template=False, like_hf=True) == expected[plain]
    assert counter.sent_ids(plain, in_template=True, like_hf=True) == expected[chat]


def test_the_servers_own_tokenizer_is_refused():
    with pytest.raises(ConfigError, match=r"tokenizer_backend=remote never sends a BOS, .* set tokenizer=FOLDER"):
        CompletionsByContext(base_url="http://localhost:1", model="m", tokenizer_backend="remote")


def test_rows_without_a_context_are_one_group():
    rows = [{"probe": "a", "set": 1}, {"x": 1}, {"probe": "a", "set": 0}, "text", {"probe": "a", "set": 1}]
    asked = [Instance("generate_until", row, ("", {}), index) for index, row in enumerate(rows)]
    assert by_context(asked) == [[0, 4], [1, 3], [2]]
    assert by_context([]) == []
