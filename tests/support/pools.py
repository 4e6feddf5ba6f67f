"""Pools of fault servers, and requests to them."""

import asyncio
import random

from in2_plugin.config import EndpointConfig
from in2_plugin.llm.endpoint.concurrency import RetryPolicy
from in2_plugin.llm.endpoint.pool import EndpointPool
from in2_plugin.llm.request import Completion, Request

QUICK = RetryPolicy(
    initial_backoff=0.005, max_backoff=0.01, throttle_wait=0.02, max_throttle_wait=0.05, cooldown=0.05, max_cooldown=0.1
)
DEAD = "http://127.0.0.1:9/v1"
OTHER_DEAD = "http://127.0.0.1:1/v1"
KEY = "sk-very-secret-0123456789"
PROMPTS = [f"prompt {i}" for i in range(200)]


def pool(servers, retry_policy: RetryPolicy = QUICK, lines: list[str] | None = None, **changes) -> EndpointPool:
    urls = [getattr(server, "base_url", server) for server in servers]
    values = {"model": "m", "base_url": urls, "concurrency": "4", "timeout": 5, **changes}
    config = EndpointConfig.parse(values, "test")
    return EndpointPool(config, random.Random(0), retry_policy, ([] if lines is None else lines).append)


def request(prompt: str) -> Request:
    return Request(prompt, "m", {}, "x")


def echo(body: dict) -> str:
    return f"answer to {body['messages'][0]['content']}"


def always(fault: str):
    return lambda number, body: fault


async def gathered(asked: EndpointPool, prompts) -> list:
    return await asyncio.gather(*(asked.answer(request(prompt)) for prompt in prompts), return_exceptions=True)


def ask(servers, prompts=PROMPTS, **changes) -> tuple[list, str]:
    """Ask all prompts at once; return the outcomes and the pool's traffic line."""

    async def run() -> tuple[list, str]:
        asked = pool(servers, **changes)
        try:
            return await gathered(asked, prompts), asked.traffic()
        finally:
            await asked.close()

    return asyncio.run(run())


def are_answers(outcomes, prompts=PROMPTS) -> bool:
    return outcomes == [Completion(f"answer to {prompt}", "stop", 100, 20) for prompt in prompts]
