"""Pools of fault servers, and what they are asked in tests."""

import asyncio
import random

from in2_plugin.config import EndpointConfig
from in2_plugin.llm.endpoint.concurrency import Patience
from in2_plugin.llm.endpoint.pool import EndpointPool
from in2_plugin.llm.request import Answer, Request

QUICK = Patience(retry=0.005, retry_most=0.01, closed=0.02, closed_most=0.05, rest=0.05, rest_most=0.1)
DEAD = "http://127.0.0.1:9/v1"
OTHER_DEAD = "http://127.0.0.1:1/v1"
KEY = "sk-very-secret-0123456789"
PROMPTS = [f"prompt {i}" for i in range(200)]


def pool(servers, patience: Patience = QUICK, said: list[str] | None = None, **changes) -> EndpointPool:
    urls = [getattr(server, "base_url", server) for server in servers]
    values = {"model": "m", "base_url": urls, "concurrency": "4", "timeout": 5, **changes}
    config = EndpointConfig.parse(values, "test")
    return EndpointPool(config, random.Random(0), patience, ([] if said is None else said).append)


def request(prompt: str) -> Request:
    return Request(prompt, "m", {}, "x")


def echo(body: dict) -> str:
    return f"answer to {body['messages'][0]['content']}"


def always(fault: str):
    return lambda number, body: fault


async def gathered(asked: EndpointPool, prompts) -> list:
    return await asyncio.gather(*(asked.answer(request(prompt)) for prompt in prompts), return_exceptions=True)


def ask(servers, prompts=PROMPTS, **changes) -> tuple[list, str]:
    """What comes of all prompts, asked at once, and what the pool tells of itself then."""

    async def run() -> tuple[list, str]:
        asked = pool(servers, **changes)
        try:
            return await gathered(asked, prompts), asked.traffic()
        finally:
            await asked.close()

    return asyncio.run(run())


def are_answers(outcomes, prompts=PROMPTS) -> bool:
    return outcomes == [Answer(f"answer to {prompt}", "stop", 100, 20) for prompt in prompts]
