"""Ray's own pipeline and stage for vLLM run here, on CPUs; a package with the names they use stands in for vLLM."""

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
LONGEST = 200
"""Seconds after which a test gives up; a job takes 15 to 50 on two cores."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of the stand-in; a model without weights is beside it."""
    folder = tmp_path_factory.mktemp("stand-in")
    vllm_on_ray.model(folder / "model")
    return vllm_on_ray.install(folder)


@pytest.fixture(scope="module")
def cluster(installed):
    # two copies take a CPU each, and the rows need one
    with small_ray(num_cpus=4, num_gpus=2, PYTHONPATH=str(installed.parent)):
        yield installed


@pytest.fixture
def package(cluster, on_path):
    for name in ("made.jsonl", "asked.jsonl", "leave"):
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
            asked = asyncio.gather(*(transport.answer(r) for r in requests), return_exceptions=True)
            return await asyncio.wait_for(asked, LONGEST)
        finally:
            await transport.close()

    return asyncio.run(run())


async def until(condition) -> None:
    async with asyncio.timeout(LONGEST):
        while not condition():
            await asyncio.sleep(0.02)


def noted(package: Path, file: str) -> list[dict]:
    path = package / file
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.slow
def test_one_job_answers_as_the_engine_of_this_process_would(package):
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
    # <s> user good 1 brief model: the template begins with <s>, and nothing puts another before it
    assert outcomes[0] == Completion("answer to good 1 brief", "length", 6, 5)
    assert outcomes[1] == Completion("answer to good 2 3", "length", 8, 5)
    assert outcomes[3] == Completion("answer to good brief", "stop", 5, 4)
    assert isinstance(outcomes[2], RequestFailed)
    assert str(outcomes[2]) == "ValueError: The prompt is longer than the maximum model length of 64"
    asked = {one["said"]: one for one in noted(package, "asked.jsonl")}
    assert asked["good 1 brief"]["ids"][:2] == [vllm_on_ray.WORDS.index("<s>"), vllm_on_ray.WORDS.index("user")]
    forced = {said: one["sampling"]["structured_outputs"] for said, one in asked.items()}
    assert json.loads(forced["good 1 brief"]["json"]) == first["json_schema"]["schema"]
    assert json.loads(forced["good 2 3 4 brief"]["json"]) == second["json_schema"]["schema"]
    assert forced["good brief"] is None
    assert asked["good 2 3 4 brief"]["sampling"]["temperature"] == 0
    engines = noted(package, "made.jsonl")
    assert sorted(one["gpus"] for one in engines) == ["0", "1"]
    assert [(one["window"], one["backend"]) for one in engines] == [(64, "uni")] * 2


@pytest.mark.slow
def test_answers_are_durable_while_the_job_goes_on_and_stopping_waits_for_it(package, tmp_path):
    async def check() -> None:
        log = WorkLog(tmp_path / "work.sqlite")
        transport = RayVllmTransport(config(package, ray={"batch_size": 1, "requests_per_job": 3}), idle_seconds=60)
        caller = Caller(log, transport)
        requests = [request("good 1"), request("good 2"), request("slow 3")]
        tasks = [asyncio.create_task(caller.ask(r)) for r in [*requests, request("good 4")]]
        other = WorkLog(tmp_path / "work.sqlite", read_only=True)
        await until(lambda: other.get(requests[0].key) and other.get(requests[1].key))
        assert not other.get(requests[2].key)
        assert transport.traffic() == "1 under way, 1 waiting"
        transport.stop()
        with pytest.raises(RunStopped):
            await tasks[3]
        (package / "leave").touch()
        assert [(await task).text for task in tasks[:3]] == [f"answer to {r.prompt} plain" for r in requests]
        await transport.close()
        await log.flush()
        other.close()
        log.close()

    asyncio.run(check())
    replayed(package, tmp_path)


def replayed(package: Path, folder: Path) -> None:
    """Ask for the same again, in a process that must not touch Ray."""
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
def test_closing_ends_the_job_and_frees_the_gpus_for_the_next(package):
    async def check() -> None:
        transport = RayVllmTransport(config(package, ray={"batch_size": 1}), idle_seconds=0.05)
        task = asyncio.create_task(transport.answer(request("slow")))
        await until(lambda: noted(package, "asked.jsonl"))
        begun = time.monotonic()
        await transport.close()
        assert time.monotonic() - begun < LONGEST
        with pytest.raises(RunStopped):
            await task

    asyncio.run(check())
    # a copy on both GPUs can only begin when the first copy is gone, and twice when it gives them back itself
    for prompt in ("good 1", "good 2"):
        (answer,) = ask(package, [request(prompt)], engine={"tensor_parallel_size": 2})
        assert answer.text == f"answer to {prompt} plain"
    assert [(one["gpus"], one["backend"]) for one in noted(package, "made.jsonl")[1:]] == [("0,1", "mp")] * 2


@pytest.mark.slow
def test_an_engine_that_dies_again_and_again_ends_the_run_and_keeps_the_answers(package):
    async def run() -> Exception:
        transport = RayVllmTransport(config(package, ray={"batch_size": 1, "replicas": 2}), idle_seconds=0.05)
        good, dead = (asyncio.create_task(transport.answer(request(word))) for word in ("good", "dead"))
        assert (await asyncio.wait_for(good, LONGEST)).text == "answer to good plain"
        (package / "leave").touch()
        with pytest.raises(EndpointError) as ended:
            await asyncio.wait_for(dead, LONGEST)
        await transport.close()
        return ended.value

    ended = asyncio.run(run())
    assert "failed (a copy of the model died 4 times" in str(ended)
    assert "answers so far are kept" in str(ended)
    dead = [one for one in noted(package, "asked.jsonl") if one["said"] == "dead plain"]
    assert len(dead) == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("requests", "changes", "said"),
    [
        (
            [request("good")],
            {"engine": {"gpu_memory_utilization": 2}},
            "failed (ValueError: Free memory on device is less than desired GPU memory utilization); answers so far",
        ),
        (
            [request(f"long {i}") for i in range(30)],
            {},
            "vLLM refuses every request, the first with: ValueError: The prompt is longer",
        ),
    ],
)
def test_what_ends_the_run(package, requests, changes, said):
    errors = ask(package, requests, **changes)
    assert {type(error) for error in errors} == {EndpointError}
    assert said in str(errors[0])
    assert "\n" not in str(errors[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"engine": {"tensor_parallel_size": 2, "pipeline_parallel_size": 2}}, "has the 4 GPUs that one copy of"),
        ({"ray": {"accelerator": "H100"}}, "has the 1 H100 that one copy of"),
        ({"engine": {"tensor_parallel_size": 4}}, "(the nodes have: 2 GPUs); start such a node first"),
    ],
)
def test_a_cluster_without_the_gpus_is_named_at_once(package, changes, said):
    (error,) = ask(package, [request("good")], **changes)
    assert isinstance(error, EndpointError)
    assert said in str(error)
    assert not noted(package, "made.jsonl")


@pytest.mark.slow
def test_fewer_gpus_than_asked_for_are_used_and_told(package):
    async def check() -> None:
        transport = RayVllmTransport(config(package, ray={"replicas": 5}), idle_seconds=0.05)
        task = asyncio.create_task(transport.answer(request("good")))
        await until(transport.traffic)
        await until(lambda: "under way" in transport.traffic())
        await until(lambda: "room for" in transport.traffic())
        assert transport.traffic() == "1 under way, room for 2 of 5 replicas"
        assert (await task).text == "answer to good plain"
        await transport.close()

    asyncio.run(check())


@pytest.mark.slow
def test_the_build_file_becomes_rays_own_configuration():
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
    ("engine", "said"),
    [
        ({"distributed_executor_backend": "ray"}, "has its GPUs on one node"),
        ({"data_parallel_size": 2}, "use `ray: {replicas: ...}`"),
        ({"tokenizer_mode": "mistral"}, "with a tokenizer.json"),
    ],
)
def test_engine_arguments_that_copies_cannot_honour_are_refused(on_path, engine, said):
    with pytest.raises(EndpointError) as caught:
        RayVllmTransport(config(on_path, engine=engine))
    assert said in str(caught.value)
    RayVllmTransport(config(on_path, engine={"distributed_executor_backend": "mp", "data_parallel_size": 1}))


@pytest.mark.parametrize("package_name", ["ray", "vllm"])
def test_a_missing_package_is_named(on_path, monkeypatch, package_name):
    monkeypatch.setitem(sys.modules, package_name, None)
    with pytest.raises(MissingExtra, match=rf"`--engine ray` needs .* pip install \"in2-plugin\[{package_name}\]\""):
        RayVllmTransport(config(on_path))


def test_the_section_is_checked():
    with pytest.raises(ConfigError, match="replicas"):
        VllmConfig.parse({"model": "m", "ray": {"replicas": 0}}, "build.yml")
    assert VllmConfig.parse({"model": "m"}, "build.yml").ray.requests_per_job == 100_000
