"""Throughput and memory of the endpoint writer, against a local server that answers after a fixed time.

    python benchmarks/endpoint.py                                   # the table of docs/benchmarks.md, six minutes
    python benchmarks/endpoint.py --concurrency 256 --calls 10000   # one row
    python benchmarks/endpoint.py --concurrency 256 --calls 10000 --addresses 1 4   # the cost of a pool, as a ratio

The limit is concurrency / latency, the maximum rate of a server with this latency. Everything but the model is real:
prompts, the official SDK over HTTP, the work log with its syncs, the parser, the checks. Each row runs in its own
process, which gives its peak memory; the server needs another core. Several addresses are ports of the same server and
share `--concurrency`, so that the limit stays the same and only the pool is added.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

LATENCY = 0.2
ANSWER = "a crew of fishermen from the northern islands who had lost their boats in the great storm of that winter"


class Server(asyncio.Protocol):
    """Answers each request after `LATENCY`, over keep-alive connections."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(rest) < length:
            return
        body, self.buffer = rest[:length], rest[length:]
        asyncio.get_running_loop().call_later(LATENCY, self.transport.write, completion(json.loads(body)))


def completion(body: dict) -> bytes:
    """Return an HTTP response of the chat completions API."""
    name = body["messages"][0]["content"].rsplit("Harbour ", 1)[1].split(" ", 1)[0]
    text = json.dumps({"questions": [{"question": f"Who founded Harbour {name}?", "answer": ANSWER}]})
    message = {"role": "assistant", "content": text}
    content = {
        "id": name, "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 400, "completion_tokens": 40, "total_tokens": 440},
    }  # fmt: skip
    payload = json.dumps(content).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    return head.encode() + payload


async def serve(addresses: int) -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Server, "127.0.0.1", 0, backlog=1_024) for _ in range(addresses)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def passages() -> Iterator:
    """Yield distinct segments of about 128 tokens."""
    from in2_plugin.questions import Kind, Passage

    number = 0
    while True:
        text = f"Harbour {number} was founded by {ANSWER}. " + "The tide comes and goes twice a day. " * 12
        yield Passage(Kind.FINE_GRAINED, number, (number,), (text,), 0)
        number += 1


def measure(ports: list[int], calls: int, concurrency: int) -> None:
    """Write `calls` questions, `concurrency` at once over all ports, and print one row."""
    from in2_plugin.config import QuestionsConfig
    from in2_plugin.questions.model.writer import ModelWriter

    endpoint = {
        "base_url": [f"http://127.0.0.1:{port}/v1" for port in ports], "model": "m", "api_key_env": None,
        "concurrency": concurrency // len(ports), "answer_format": "json_schema",
    }  # fmt: skip
    config = QuestionsConfig.parse({"writer": "endpoint", "endpoint": endpoint}, "benchmark")
    with tempfile.TemporaryDirectory() as folder, ModelWriter(config, Path(folder) / "work.sqlite", print) as writer:
        # open the connections and warm up the code before the clock starts
        missing = calls + concurrency
        results = writer.write(passages(), lambda: missing)
        for _ in islice(results, concurrency):
            missing -= 1
        started, cpu = time.monotonic(), time.process_time()
        for _ in islice(results, calls):
            missing -= 1
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        results.close()
        rate, limit = calls / seconds, concurrency / LATENCY
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        shares = f"{rate:,.0f} | {limit:,.0f} | {rate / limit:.0%} | {1e3 * cpu / calls:.2f} | {peak:,.0f}"
        print(f"| {calls:,} | {concurrency} | {shares} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--addresses", type=int, nargs="+", default=[1])
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ports", type=int, nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.serve))
    elif arguments.ports:
        measure(arguments.ports, arguments.calls[0], arguments.concurrency[0])
    else:
        run_all(arguments.calls, arguments.concurrency, arguments.addresses)


def run_all(calls: list[int], concurrency: list[int], addresses: list[int]) -> None:
    """Print one row per concurrency at the middle number of calls, and one per number of calls at the highest."""
    serving = [sys.executable, __file__, "--serve", str(max(addresses))]
    server = subprocess.Popen(serving, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    ports = server.stdout.readline().split()
    middle, most = sorted(calls)[len(calls) // 2], max(concurrency)
    rows = [(middle, max_concurrent) for max_concurrent in concurrency if max_concurrent != most] + [
        (n, most) for n in calls
    ]
    print("| calls | at once | requests/s | concurrency / latency | share | CPU ms per call | peak MB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    try:
        for n, max_concurrent in rows:
            compare([run_row(ports[:count], n, max_concurrent) for count in addresses], addresses)
    finally:
        server.terminate()


def run_row(ports: list[str], calls: int, max_concurrent: int) -> float:
    """Print one row; return its requests per second."""
    arguments = ["--ports", *ports, "--calls", str(calls), "--concurrency", str(max_concurrent)]
    row = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout
    print(row, end="", flush=True)
    return float(row.split("|")[3].replace(",", ""))


def compare(rates: list[float], addresses: list[int]) -> None:
    """Print the rate for each number of addresses, relative to the first."""
    for rate, count in zip(rates[1:], addresses[1:], strict=True):
        print(f"{count} addresses to {addresses[0]}: {rate / rates[0]:.2f} times the requests per second", flush=True)


if __name__ == "__main__":
    main()
