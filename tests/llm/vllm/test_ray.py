"""Tests with Ray's own pipeline and vLLM stage on CPUs, and a stand-in package for vLLM itself."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from in2_plugin.config import VllmConfig
from in2_plugin.errors import ConfigError, EndpointError, MissingExtra
from in2_plugin.llm.caller import Caller
from in2_plugin.llm.request import Completion, Request, RequestFailed, RunStopped
from in2_plugin.llm.vllm.ray import RayVllmTransport
from in2_plugin.llm.work_log import WorkLog
from tests.support import vllm_on_ray
from tests.support.ray_cluster import small_ray

SAMPLING = {"temperature": 0.5, "max_tokens": 5}
TIMEOUT = 200
"""Seconds; a job takes 15 to 50 on two cores."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return the folder of the stand-in; a model without weights is next to it."""
    folder = tmp_path_factory.mktemp("stand-in")
    vllm_on_ray.model(folder / "model")
    return vllm_on_ray.install(folder)


@pytest.fixture(scope="module")
def cluster(installed):
    # each of two replicas takes a CPU, and the rows need one
    with small_ray(num_cpus=4, num_gpus=2, PYTHONPATH=str(installed.parent)):
        yield installed


@pytest.fixture
def package(cluster, on_path):
    for name in ("engines.jsonl", "prompts.jsonl", "release"):
        (cluster / name).unlink(missing_ok=True)
    return cluster


@pytest.fixture
def on_path(installed, monkeypatch):
    monkeypatch.syspath_prepend(installed.parent)
    return installed


def config(package: Path, **changes) -> VllmConfig:
    return VllmConfig.parse({"model": str(package.parent / "model"), "parameters": SAMPLING, **changes}, "build.yml")


def request(prompt: str, **parameters) -> Request:
    return Request(prompt, "m", {**SAMPLING, **parameters}, "x")


def schema_of(**fields) -> dict:
    schema = {"type": "object", "properties": fields}
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}


def ask(package: Path, requests, **changes) -> list:
    async def run() -> list:
        transport = RayVllmTransport(config(package, **changes), idle_seconds=0.05)
        try:
            answers = asyncio.gather(*(transport.answer(r) for r in requests), return_exceptions=True)
            return await asyncio.wait_for(answers, TIMEOUT)
        finally:
            await transport.close()

    return asyncio.run(run())


async def until(condition) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not condition():
            await asyncio.sleep(0.02)


def recorded(package: Path, file: str) -> list[dict]:
    path = package / file
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.slow
@pytest.mark.e2e_full
def test_a_job_answers_like_the_offline_engine(package):
    first, second = schema_of(a={"type": "string"}), schema_of(b={"type": "array"})
    chat = {"chat_template_kwargs": {"style": "brief"}}
    outcomes = ask(
        package,
        [
            request("good 1", response_format=first, **chat),
            request("good 2 3 4", temperature=0, response_format=second, **chat),
            request("long", **chat),
            request("good", **chat),
        ],
        parameters={**SAMPLING, **chat},
        engine={"max_model_len": 64},
        ray={"replicas": 2, "batch_size": 2},
    )
    # <s> user good 1 brief model: the template writes <s>, and nothing adds another one
    assert outcomes[0] == Completion("answer to good 1 brief", "length", 6, 5)
    assert outcomes[1] == Completion("answer to good 2 3", "length", 8, 5)
    assert outcomes[3] == Completion("answer to good brief", "stop", 5, 4)
    assert isinstance(outcomes[2], RequestFailed)
    assert str(outcomes[2]) == "ValueError: The prompt is longer than the maximum model length of 64"
    prompts = {one["prompt"]: one for one in recorded(package, "prompts.jsonl")}
    assert prompts["good 1 brief"]["ids"][:2] == [vllm_on_ray.WORDS.index("<s>"), vllm_on_ray.WORDS.index("user")]
    structured = {prompt: one["sampling"]["structured_outputs"] for prompt, one in prompts.items()}
    assert json.loads(structured["good 1 brief"]["json"]) == first["json_schema"]["schema"]
    assert json.loads(structured["good 2 3 4 brief"]["json"]) == second["json_schema"]["schema"]
    assert structured["good brief"] is None
    assert prompts["good 2 3 4 brief"]["sampling"]["temperature"] == 0
    engines = recorded(package, "engines.jsonl")
    assert sorted(one["gpus"] for one in engines) == ["0", "1"]
    assert [(one["window"], one["backend"]) for one in engines] == [(64, "uni")] * 2


@pytest.mark.slow
@pytest.mark.e2e_full
def test_answers_are_durable_during_the_job_and_stop_waits_for_it(package, tmp_path):
    async def check() -> None:
        log = WorkLog(tmp_path / "work.sqlite")
        transport = RayVllmTransport(config(package, ray={"batch_size": 1, "requests_per_job": 3}), idle_seconds=60)
        caller = Caller(log, transport)
        requests = [request("good 1"), request("good 2"), request("slow 3")]
        tasks = [asyncio.create_task(caller.ask(r)) for r in [*requests, request("good 4")]]
        other = WorkLog(tmp_path / "work.sqlite", read_only=True)
        await until(lambda: other.get(requests[0].key) and other.get(requests[1].key))
        assert not other.get(requests[2].key)
        assert transport.traffic() == "1 in flight, 1 waiting"
        transport.stop()
        with pytest.raises(RunStopped):
            await tasks[3]
        (package / "release").touch()
        assert [(await task).text for task in tasks[:3]] == [f"answer to {r.prompt} plain" for r in requests]
        await transport.close()
        await log.flush()
        other.close()
        log.close()

    asyncio.run(check())
    check_replay(package, tmp_path)


def check_replay(package: Path, folder: Path) -> None:
    """Send the same request again, in a process that must not import Ray."""
    program = f"""
import asyncio, sys
from pathlib import Path
from in2_plugin.llm.caller import Caller
from in2_plugin.llm.vllm.ray import RayVllmTransport
from in2_plugin.llm.request import Request
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.config import VllmConfig

async def main():
    log = WorkLog(Path("work.sqlite"))
    transport = RayVllmTransport(VllmConfig.parse({{"model": "m"}}, "build.yml"))
    answer = await Caller(log, transport).ask(Request("slow 3", "m", {SAMPLING!r}, "x"))
    await transport.close()
    log.close()
    print(answer.text, "ray" in sys.modules, "vllm" in sys.modules)

asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("answer to slow 3 plain False False\n", "")


@pytest.mark.slow
@pytest.mark.e2e_full
def test_close_ends_the_job_and_frees_its_gpus(package):
    async def check() -> None:
        transport = RayVllmTransport(config(package, ray={"batch_size": 1}), idle_seconds=0.05)
        task = asyncio.create_task(transport.answer(request("slow")))
        await until(lambda: recorded(package, "prompts.jsonl"))
        started = time.monotonic()
        await transport.close()
        assert time.monotonic() - started < TIMEOUT
        with pytest.raises(RunStopped):
            await task

    asyncio.run(check())
    # a replica on both GPUs starts only when the first one is gone, and a second time only if it frees them itself
    for prompt in ("good 1", "good 2"):
        (answer,) = ask(package, [request(prompt)], engine={"tensor_parallel_size": 2})
        assert answer.text == f"answer to {prompt} plain"
    assert [(one["gpus"], one["backend"]) for one in recorded(package, "engines.jsonl")[1:]] == [("0,1", "mp")] * 2


@pytest.mark.slow
@pytest.mark.e2e_full
def test_an_engine_that_keeps_dying_ends_the_run_and_keeps_the_answers(package):
    async def run() -> Exception:
        transport = RayVllmTransport(config(package, ray={"batch_size": 1, "replicas": 2}), idle_seconds=0.05)
        good, dead = (asyncio.create_task(transport.answer(request(word))) for word in ("good", "dead"))
        assert (await asyncio.wait_for(good, TIMEOUT)).text == "answer to good plain"
        (package / "release").touch()
        with pytest.raises(EndpointError) as ended:
            await asyncio.wait_for(dead, TIMEOUT)
        await transport.close()
        return ended.value

    ended = asyncio.run(run())
    assert "failed (a replica died 4 times" in str(ended)
    assert "answers so far are kept" in str(ended)
    dead = [one for one in recorded(package, "prompts.jsonl") if one["prompt"] == "dead plain"]
    assert len(dead) == 4


@pytest.mark.slow
@pytest.mark.e2e_full
@pytest.mark.parametrize(
    ("requests", "changes", "message"),
    [
        (
            [request("good")],
            {"engine": {"gpu_memory_utilization": 2}},
            "failed (ValueError: Free memory on device is less than desired GPU memory utilization); answers so far",
        ),
        (
            [request(f"long {i}") for i in range(30)],
            {},
            "vLLM rejects every request, the first with: ValueError: The prompt is longer",
        ),
    ],
)
def test_fatal_errors_end_the_run(package, requests, changes, message):
    errors = ask(package, requests, **changes)
    assert {type(error) for error in errors} == {EndpointError}
    assert message in str(errors[0])
    assert "\n" not in str(errors[0])


@pytest.mark.slow
@pytest.mark.e2e_full
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": {"tensor_parallel_size": 2, "pipeline_parallel_size": 2}}, "has the 4 GPUs that one replica of"),
        ({"ray": {"accelerator": "H100"}}, "has the 1 H100 that one replica of"),
        ({"engine": {"tensor_parallel_size": 4}}, "(the nodes have: 2 GPUs); start such a node first"),
    ],
)
def test_a_cluster_without_enough_gpus_is_reported(package, changes, message):
    (error,) = ask(package, [request("good")], **changes)
    assert isinstance(error, EndpointError)
    assert message in str(error)
    assert not recorded(package, "engines.jsonl")


@pytest.mark.slow
@pytest.mark.e2e_full
def test_fewer_gpus_than_replicas_are_used_and_reported(package):
    async def check() -> None:
        transport = RayVllmTransport(config(package, ray={"replicas": 5}), idle_seconds=0.05)
        task = asyncio.create_task(transport.answer(request("good")))
        await until(transport.traffic)
        await until(lambda: "in flight" in transport.traffic())
        await until(lambda: "room for" in transport.traffic())
        assert transport.traffic() == "1 in flight, room for 2 of 5 replicas"
        assert (await task).text == "answer to good plain"
        await transport.close()

    asyncio.run(check())


@pytest.mark.slow
def test_processor_config_follows_the_build_file():
    from in2_plugin.llm.vllm.ray_job import Job, processor_config

    engine = {"tensor_parallel_size": 2, "max_model_len": 8_192}
    job = Job("m", engine, {}, (), replicas=8, batch_size=64, accelerator="H100")
    made = processor_config(job)
    assert type(made).__name__ == "vLLMEngineProcessorConfig"
    assert (made.model_source, made.batch_size, made.concurrency, made.accelerator_type) == ("m", 64, (8, 8), "H100")
    assert made.engine_kwargs == {**engine, "distributed_executor_backend": "mp", "task_type": "generate"}
    # 16 batches of 64 fill the 1,024 sequences of an H100
    assert (made.max_concurrent_batches, made.should_continue_on_error) == (16, True)
    assert not (made.chat_template_stage or made.tokenize_stage or made.detokenize_stage)
    assert engine == {"tensor_parallel_size": 2, "max_model_len": 8_192}


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ({"distributed_executor_backend": "ray"}, "all GPUs of a replica are on one node"),
        ({"data_parallel_size": 2}, "use `ray: {replicas: ...}`"),
        ({"tokenizer_mode": "mistral"}, "with a tokenizer.json"),
    ],
)
def test_unsupported_engine_arguments_are_rejected(on_path, engine, message):
    with pytest.raises(EndpointError) as caught:
        RayVllmTransport(config(on_path, engine=engine))
    assert message in str(caught.value)
    RayVllmTransport(config(on_path, engine={"distributed_executor_backend": "mp", "data_parallel_size": 1}))


@pytest.mark.parametrize("package_name", ["ray", "vllm"])
def test_a_missing_package_is_named(on_path, monkeypatch, package_name):
    monkeypatch.setitem(sys.modules, package_name, None)
    with pytest.raises(MissingExtra, match=rf"`--engine ray` needs .* pip install \"in2-plugin\[{package_name}\]\""):
        RayVllmTransport(config(on_path))


def test_the_ray_section_is_validated():
    with pytest.raises(ConfigError, match="replicas"):
        VllmConfig.parse({"model": "m", "ray": {"replicas": 0}}, "build.yml")
    assert VllmConfig.parse({"model": "m"}, "build.yml").ray.requests_per_job == 100_000
