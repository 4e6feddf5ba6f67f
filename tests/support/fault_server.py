"""A chat completions server on localhost with faults on demand, which counts the completions it computes.

In a test: `with FaultServer(plan=...) as server: ... server.base_url, server.paid`. As a separate process:

    python tests/support/fault_server.py --latency 0.05 --seed 3 --faults '{"429": 0.1, "500": 0.05, "drop": 0.02}'
"""

import argparse
import asyncio
import hashlib
import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate

Reply = Callable[[dict], str | dict]
"""The body of a request -> the text of the answer, or a whole response body."""
Plan = Callable[[int, dict], str | None]
"""(request number, body) -> the name of a fault, or None for a normal answer."""

REFUSED = {"400": "bad parameter", "401": "wrong key", "403": "not allowed", "404": "no such model", "422": "cannot do"}
LATE_SECONDS = 0.005
"""Seconds between the two copies of a response with the fault "twice late"."""
PAID_FIRST = {"half body", "drop after head", "lost", "slow drip", "twice", "twice late", "closes", "refusal", "length"}
"""Faults of delivery: the answer has been computed, and is paid for."""


def default_reply(body: dict) -> str:
    """Return a question and an answer that pass the checks, always the same per prompt; or a judge's verdict."""
    prompt = body["messages"][0]["content"]
    if "SAME or DIFFERENT" in prompt:
        return "SAME"
    if "UNANSWERABLE" in prompt:
        return " ".join(prompt.split()[-8:]) if "\nText:\n" in prompt else "UNANSWERABLE"
    passage = re.split(r"\n(?:Text|Material):\n", prompt)[-1]
    passage = passage.split("\n\nAn earlier answer")[0]
    words = re.sub(r"\[\d+\] ", "", passage).split()
    mark = hashlib.sha256(prompt.encode()).hexdigest()[:10]
    found = re.search(r"with (\d+) entries|, (\d+) times", prompt)
    count = int(found[1] or found[2]) if found else 1
    pairs = [
        {"question": f"What comes of {' '.join(words[:3])} {mark} {n}?", "answer": " ".join(words[-8:])}
        for n in range(count)
    ]
    if "numbered pieces" in prompt:
        last = int(re.findall(r"\n\[(\d+)\] ", "\n" + passage)[-1])
        pairs = [{**pair, "pieces": [last - 1, last]} for pair in pairs]
    if "response_format" in body:
        return json.dumps({"questions": pairs})
    lines = []
    for pair in pairs:
        lines += ["### Question ###:", pair["question"], "### Answer ###:", pair["answer"]]
        lines += [f"### Pieces ###: {pair['pieces']}"] if "pieces" in pair else []
    return "\n".join(lines)


def random_faults(seed: int, rates: dict[str, float]) -> Plan:
    """Return a plan in which each fault has the given probability."""
    rng = random.Random(seed)

    def plan(number: int, body: dict) -> str | None:
        at = rng.random()
        for name, rate in rates.items():
            if at < rate:
                return name
            at -= rate
        return None

    return plan


def completion(text: str, finish: str = "stop", refusal: str | None = None, prompt: str = "") -> dict:
    """Return a response body; `usage` has at least 100 tokens for the prompt."""
    read = max(100, len(prompt) // 4)
    message = {"role": "assistant", "content": text, "refusal": refusal}
    return {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {"prompt_tokens": read, "completion_tokens": 20, "total_tokens": read + 20},
    }  # fmt: skip


class FaultServer:
    """A server that runs in its own thread."""

    def __init__(
        self,
        reply: Reply = default_reply,
        plan: Plan | None = None,
        latency: float = 0.0,
        retry_after="0.05",
        port: int = 0,
    ) -> None:
        self._reply, self._plan = reply, plan or (lambda number, body: None)
        self._latency, self._retry_after, self.port = latency, retry_after, port
        self.paid: Counter[str] = Counter()
        """Computed completions, by prompt."""
        self.faults: Counter[str] = Counter()
        self.bodies: list[dict] = []
        self.keys: set[str] = set()
        self.times: list[float] = []
        self.in_flight = self.most_at_once = self.connections = 0

    def __enter__(self) -> "FaultServer":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1_024))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def __exit__(self, *_: object) -> None:
        async def close() -> None:
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._run(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(re.search(r"content-length: (\d+)", head)[1])
                self.keys.add(re.search(r"authorization: bearer (\S+)", head)[1])
                body = json.loads(await reader.readexactly(length))
                self.in_flight += 1
                self.most_at_once = max(self.most_at_once, self.in_flight)
                self.bodies.append(body)
                self.times.append(time.monotonic())
                try:
                    await self._answer(body, self._plan(len(self.bodies) - 1, body), writer)
                finally:
                    self.in_flight -= 1
        except (asyncio.IncompleteReadError, ConnectionError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, body: dict, fault: str | None, writer: asyncio.StreamWriter) -> None:
        if fault:
            self.faults[fault] += 1
        if fault == "drop":
            raise EOFError
        await asyncio.sleep(self._latency)
        if fault == "stall":
            await asyncio.sleep(3_600)
        if fault is None or fault in PAID_FIRST:
            self.paid[body["messages"][0]["content"]] += 1
        status, headers, content = self._content(body, fault)
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(payload)}", *headers]
        message = "\r\n".join(lines).encode() + b"\r\n\r\n"
        if fault == "lost":
            raise EOFError
        if fault == "garbage":
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        elif fault == "drop after head":
            writer.write(message)
        elif fault == "half body":
            writer.write(message + payload[: len(payload) // 2])
        elif fault == "slow drip":
            for byte in message + payload:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.0005)
        else:
            writer.write((message + payload) * (2 if fault == "twice" else 1))
        await writer.drain()
        if fault == "twice late":
            await asyncio.sleep(LATE_SECONDS)
            writer.write(message + payload)
            await writer.drain()
        if fault in {"drop after head", "half body", "garbage", "closes"}:
            raise EOFError

    def _content(self, body: dict, fault: str | None) -> tuple[int, list[str], object]:
        if fault in {"429", "429 date", "429 ms", "429 bare", "429 far", "429 zero"}:
            after = {
                "429": f"Retry-After: {self._retry_after}",
                "429 date": f"Retry-After: {formatdate(time.time() + 1, usegmt=True)}",
                "429 ms": "retry-after-ms: 40",
                "429 far": "Retry-After: 7300",
                "429 zero": "Retry-After: 0",
            }.get(fault)
            return 429, [after] if after else [], {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
        if fault == "no money":
            return 429, [], {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
        if fault == "no schema":
            if "response_format" in body:
                return 400, [], {"error": {"message": "response_format is not supported"}}
            fault = None
            self.paid[body["messages"][0]["content"]] += 1
        if fault in REFUSED:
            key = " ".join(self.keys)
            return int(fault), [], {"error": {"message": f"{REFUSED[fault]}: {key}"}}
        if fault and fault.isdigit():
            return int(fault), [], {"error": {"message": "broken"}}
        if fault == "wrong json":
            return 200, [], b'{"choices": [{"mess'
        if fault == "html":
            return 200, [], b"<html>Welcome to the hotel network</html>"
        if fault == "error inside":
            return 200, [], {"error": {"code": 502, "message": "the provider said nothing"}}
        if fault == "empty choices":
            return 200, [], {**completion(""), "choices": []}
        prompt = body["messages"][0]["content"]
        if fault == "refusal":
            return 200, [], completion("", refusal="I would rather not.", prompt=prompt)
        if fault == "length":
            return 200, [], completion(self._reply(body)[:20], "length", prompt=prompt)
        found = self._reply(body)
        return 200, [], completion(found, prompt=prompt) if isinstance(found, str) else found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=json.loads, default={})
    arguments = parser.parse_args()
    plan = random_faults(arguments.seed, arguments.faults)
    with FaultServer(plan=plan, latency=arguments.latency, port=arguments.port) as server:
        print(server.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
