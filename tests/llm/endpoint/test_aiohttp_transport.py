import asyncio
import socket

import httpx2
import pytest

from in2_plugin.llm.endpoint.aiohttp_transport import AiohttpTransport
from tests.support.fault_server import LATE_SECONDS, FaultServer

HEADERS = {"Authorization": "Bearer sk-secret"}
SOON = httpx2.Timeout(5, read=0.3)


def post(url: str, times: int = 1, pause: float = 0.0) -> list[str]:
    """Send the numbers from 0 one after the other; return the answers."""

    async def run() -> list[str]:
        async with httpx2.AsyncClient(transport=AiohttpTransport(4), timeout=SOON) as client:
            answers = []
            for i in range(times):
                body = {"messages": [{"role": "user", "content": str(i)}]}
                response = await client.post(f"{url}/chat/completions", json=body, headers=HEADERS)
                answers.append(response.json()["choices"][0]["message"]["content"])
                await asyncio.sleep(pause)
            return answers

    return asyncio.run(run())


def echo(body: dict) -> str:
    return body["messages"][0]["content"]


def test_a_connection_is_reused():
    with FaultServer(echo) as server:
        assert post(server.base_url, 5, pause=0.01) == ["0", "1", "2", "3", "4"]
        assert server.connections == 1


@pytest.mark.parametrize("fault", ["twice", "twice late"])
def test_no_reuse_after_a_duplicate_response(fault):
    with FaultServer(echo, plan=lambda n, body: fault) as server:
        assert post(server.base_url, 5, pause=4 * LATE_SECONDS) == ["0", "1", "2", "3", "4"]
        assert server.connections == 5


def test_no_reuse_after_the_server_closed_the_connection():
    with FaultServer(echo, plan=lambda n, body: "closes") as server:
        assert post(server.base_url, 5, pause=0.02) == ["0", "1", "2", "3", "4"]
        assert (server.connections, len(server.bodies)) == (5, 5)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("drop", httpx2.ReadError),
        ("half body", httpx2.ReadError),
        ("garbage", httpx2.ReadError),
        ("stall", httpx2.ReadTimeout),
    ],
)
def test_errors_are_translated_without_the_key(fault, error):
    with FaultServer(echo, plan=lambda n, body: fault) as server, pytest.raises(error) as caught:
        post(server.base_url)
    assert str(caught.value)
    assert "sk-secret" not in f"{caught.value!s} {caught.value!r}"


def test_connection_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(httpx2.ConnectError, match="Cannot connect to host"):
        post(f"http://127.0.0.1:{port}/v1")


def test_proxy_settings_of_the_environment_are_respected(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FaultServer(echo) as server:
        monkeypatch.setenv("http_proxy", server.base_url.removesuffix("/v1"))
        assert post("http://model.invalid/v1") == ["0"]
        monkeypatch.setenv("no_proxy", "model.invalid")
        with pytest.raises(httpx2.ConnectError):
            post("http://model.invalid/v1")
