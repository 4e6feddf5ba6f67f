"""vLLM needs a GPU, so these tests use a stand-in package with its documented signatures."""

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from in2_plugin.config import VllmConfig
from in2_plugin.errors import EndpointError, MissingExtra
from in2_plugin.llm.request import Completion, Request, RequestFailed, RunStopped
from in2_plugin.llm.vllm.offline import OfflineVllmTransport

PACKAGE = """
import threading
from types import SimpleNamespace
from vllm.sampling_params import SamplingParams

class LLM:
    made = []

    def __init__(self, model, *, tensor_parallel_size=1, max_model_len=8):
        if model == "broken":
            raise OSError("no such model\\non this disk")
        self.model, self.max_model_len = model, max_model_len
        self.groups, self.sampling, self.options, self.threads = [], [], [], [threading.current_thread()]
        self.release = threading.Event()
        self.release.set()
        LLM.made.append(self)

    def chat(self, messages, sampling_params=None, use_tqdm=True, lora_request=None, chat_template=None,
             chat_template_content_format="auto", add_generation_prompt=True, continue_final_message=False, tools=None,
             chat_template_kwargs=None):
        self.threads.append(threading.current_thread())
        assert self.release.wait(60)
        prompts = [m["content"] for chat in messages for m in chat if m["role"] == "user"]
        assert len(prompts) == len(messages) == len(sampling_params)
        if any(p == "dead" for p in prompts):
            raise RuntimeError("the engine died")
        if any(len(p.split()) > self.max_model_len for p in prompts):
            raise ValueError("The prompt is longer than the maximum model length")
        self.groups.append(prompts)
        self.sampling += sampling_params
        self.options.append((use_tqdm, chat_template_kwargs))
        return [output(p, s) for p, s in zip(prompts, sampling_params)][: 1 if "short" in prompts else None]

def output(prompt, sampling):
    words = f"answer to {prompt}".split()[: sampling.max_tokens]
    finish = "length" if len(words) == sampling.max_tokens else "stop"
    output = SimpleNamespace(index=0, text=" ".join(words), token_ids=tuple(range(len(words))), finish_reason=finish)
    return SimpleNamespace(request_id="0", prompt=prompt, prompt_token_ids=[0] * len(prompt.split()), outputs=[output])
"""
SAMPLING = """
from dataclasses import dataclass

@dataclass
class {name}:
    json: "str | dict | None" = None

@dataclass
class SamplingParams:
    temperature: float = 1.0
    max_tokens: "int | None" = 16
    top_k: int = 0
    {field}: "{name} | None" = None

    def __post_init__(self):
        if self.temperature < 0:
            raise ValueError("temperature must be non-negative")
"""
NEW, OLD = ("structured_outputs", "StructuredOutputsParams"), ("guided_decoding", "GuidedDecodingParams")


@pytest.fixture
def install(tmp_path, monkeypatch):
    def installed(field: str = NEW[0], name: str = NEW[1]):
        folder = tmp_path / field / "vllm"
        folder.mkdir(parents=True)
        Path(folder / "__init__.py").write_text(PACKAGE)
        Path(folder / "sampling_params.py").write_text(SAMPLING.format(field=field, name=name))
        monkeypatch.syspath_prepend(folder.parent)

    yield installed
    for name in ("vllm", "vllm.sampling_params"):
        sys.modules.pop(name, None)


@pytest.fixture
def vllm(install):
    install()


def transport(**changes) -> OfflineVllmTransport:
    return OfflineVllmTransport(VllmConfig.parse({"model": "m", **changes}, "test"), idle_seconds=0.01)


def request(prompt: str, **parameters) -> Request:
    return Request(prompt, "m", parameters, "x")


def ask(requests, **changes) -> list:
    async def run() -> list:
        offline = transport(**changes)
        try:
            answers = asyncio.gather(*(offline.answer(r) for r in requests), return_exceptions=True)
            return await asyncio.wait_for(answers, 60)
        finally:
            await offline.close()

    return asyncio.run(run())


def engine():
    (made,) = sys.modules["vllm"].LLM.made
    return made


def test_answers_have_their_token_counts(vllm):
    first, truncated = ask([request("one two"), request("one two", max_tokens=3)])
    assert first == Completion("answer to one two", "stop", 2, 4)
    assert truncated == Completion("answer to one", "length", 2, 3)


def test_requests_are_dispatched_in_groups(vllm):
    answers = ask([request(str(i)) for i in range(10)], batch_requests=4)
    assert [a.text for a in answers] == [f"answer to {i}" for i in range(10)]
    assert [len(group) for group in engine().groups] == [4, 4, 2]


def test_each_request_has_its_own_sampling(vllm):
    ask([request("a", temperature=0.5, top_k=3), request("b", temperature=0)])
    assert [(s.temperature, s.top_k) for s in engine().sampling] == [(0.5, 3), (0, 0)]


@pytest.mark.parametrize(("field", "name"), [NEW, OLD])
def test_a_json_schema_is_enforced_in_both_versions(install, field, name):
    install(field, name)
    schema = {"type": "object", "properties": {}}
    ask([request("a", response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}})])
    (sampling,) = engine().sampling
    structured = getattr(sampling, field)
    assert (type(structured).__name__, structured.json) == (name, schema)


def test_the_engine_gets_its_arguments_and_runs_in_one_thread(vllm):
    ask([request(str(i)) for i in range(9)], batch_requests=3, engine={"tensor_parallel_size": 2, "max_model_len": 4})
    assert (engine().model, engine().max_model_len) == ("m", 4)
    assert len(set(engine().threads)) == 1
    assert engine().threads[0] is not threading.main_thread()


def test_chat_template_kwargs_are_passed_to_chat(vllm):
    thinking = {"enable_thinking": False}
    ask([request("a", temperature=0, chat_template_kwargs=thinking)], parameters={"chat_template_kwargs": thinking})
    assert engine().options == [(False, thinking)]


def test_the_model_is_loaded_with_the_first_request(vllm):
    asyncio.run(transport().close())
    assert "vllm" not in sys.modules


def test_a_prompt_that_is_too_long_fails_alone(vllm):
    prompts = [str(i) for i in range(10)]
    answers = ask([request(p) for p in [*prompts[:7], "much " * 20, *prompts[7:]]])
    assert isinstance(answers[7], RequestFailed)
    assert str(answers[7]) == "ValueError: The prompt is longer than the maximum model length"
    assert [a.text for a in answers if isinstance(a, Completion)] == [f"answer to {p}" for p in prompts]
    assert sorted(prompt for group in engine().groups for prompt in group) == prompts


@pytest.mark.parametrize(
    ("requests", "changes", "message"),
    [
        ([request("a")], {"model": "broken"}, "vLLM cannot load broken (OSError: no such model on this disk)"),
        ([request("a")], {"engine": {"gpus": 2}}, "vLLM cannot load m (TypeError:"),
        ([request("a", temperature=-1)], {}, "(ValueError: temperature must be non-negative); correct"),
        ([request("a", max_completion_tokens=5)], {}, "does not take these sampling parameters (TypeError:"),
        ([request("a", response_format={"type": "text"})], {}, "does not take these sampling parameters (KeyError:"),
        ([request("dead")], {}, "vLLM failed (RuntimeError: the engine died); answers so far are kept"),
        ([request("short"), request("b")], {}, "vLLM gave 1 answers to 2 requests"),
        ([request("long " * 20 + str(i)) for i in range(20)], {}, "vLLM rejects every request, the first with: ValueE"),
    ],
)
def test_fatal_errors_end_the_run(vllm, requests, changes, message):
    errors = ask(requests, **changes)
    assert {type(e) for e in errors} == {EndpointError}
    assert message in str(errors[0])


def test_stop_waits_for_the_current_group(vllm):
    async def check() -> list:
        offline = transport(batch_requests=2)
        assert (await asyncio.gather(*(offline.answer(request(p)) for p in "ab")))[0].text == "answer to a"
        engine().release.clear()
        tasks = [asyncio.create_task(offline.answer(request(p))) for p in "cde"]
        while not offline.traffic():
            await asyncio.sleep(0.001)
        assert offline.traffic() == "2 in flight, 1 waiting"
        offline.stop()
        engine().release.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        offline.resume()
        outcomes.append(await offline.answer(request("f")))
        await offline.close()
        return outcomes

    assert [type(o) for o in asyncio.run(check())] == [Completion, Completion, RunStopped, Completion]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtra, match=r'`writer: vllm` needs .* pip install "in2-plugin\[vllm\]"'):
        transport()
