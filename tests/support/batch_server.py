"""A Batch API server on localhost with faults on demand, which counts the completions it computes.

In a test: `with BatchServer(polls=2, shuffle=True) as server: ... server.base_url, server.paid`.

Faults are queued per call: `server.faults_by_call["retrieve"] = ["503", "drop", b"a body"]`. A call blocks while its
name is in `server.held`: `upload` before anything is done, `create` after the batch is created, `retrieve` and
`download` before the response.
"""

import json
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.support.fault_server import completion

Faults = Callable[[dict], str | None]
"""The body of a request -> `error`, `expired`, `missing`, `refusal`, `no choices`, or None for a good answer."""


def echo(body: dict) -> str:
    return f"answer to {body['messages'][0]['content']}"


class BatchServer:
    """A server that runs in its own threads."""

    def __init__(
        self,
        reply: Callable[[dict], str] = echo,
        faults: Faults = lambda body: None,
        polls: int = 1,
        shuffle: bool = False,
        duplicate: bool = False,
        ends: str = "completed",
        invalid: list[tuple[str, str]] | None = None,
    ) -> None:
        """`polls`: polls until a batch ends; `invalid`: (code, message) of the next batches, which are rejected."""
        self._reply, self._shuffle, self._duplicate = reply, shuffle, duplicate
        self.faults, self.polls, self.ends, self.invalid = faults, polls, ends, list(invalid or [])
        self.paid: Counter[str] = Counter()
        """Computed completions, by custom_id."""
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict] = {}
        self.calls: Counter[str] = Counter()
        self.most_open = 0
        self.faults_by_call: defaultdict[str, list[str | bytes]] = defaultdict(list)
        self.held: set[str] = set()
        self.reached: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self._released = threading.Condition()
        self._lock = threading.RLock()
        self._polled: Counter[str] = Counter()

    def __enter__(self) -> "BatchServer":
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def release(self) -> None:
        """Release all blocked calls."""
        with self._released:
            self.held.clear()
            self._released.notify_all()

    def hold(self, call: str) -> None:
        with self._released:
            if call in self.held:
                self.reached[call].set()
            self._released.wait_for(lambda: call not in self.held)

    def upload(self, content: bytes) -> dict:
        with self._lock:
            name = f"file-{len(self.files)}"
            self.files[name] = content
            return {"id": name, "object": "file", "bytes": len(content), "purpose": "batch", "filename": "in.jsonl"}

    def create(self, body: dict) -> dict:
        with self._lock:
            lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
            batch = {
                "id": f"batch-{len(self.batches)}", "object": "batch", "created_at": 1, "status": "validating",
                "endpoint": body["endpoint"], "completion_window": body["completion_window"],
                "input_file_id": body["input_file_id"], "metadata": body.get("metadata"),
                "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            }  # fmt: skip
            self.batches[batch["id"]] = batch
            self.most_open = max(self.most_open, len(self.open()))
            if self.invalid:
                code, message = self.invalid.pop(0)
                batch |= {
                    "status": "failed",
                    "errors": {"object": "list", "data": [{"code": code, "message": message}]},
                }
            else:
                self._compute(batch, lines)
            return batch

    def _compute(self, batch: dict, lines: list[dict]) -> None:
        good, bad = [], []
        for line in lines:
            fault = self.faults(line["body"])
            if fault not in {"error", "expired", "missing"}:
                self.paid[line["custom_id"]] += 1
            if fault != "missing":
                (bad if fault in {"error", "expired"} else good).append(self._outcome(line, fault))
        if self._shuffle:
            random.Random(0).shuffle(good)
        batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}
        if self._duplicate:
            good += [json.loads(json.dumps(line).replace("answer to", "second answer to")) for line in good]
        for field, found in (("output_file_id", good), ("error_file_id", bad)):
            if found:
                content = "".join(json.dumps(line) + "\n" for line in found)
                batch[field] = self.upload(content.encode())["id"]

    def _outcome(self, line: dict, fault: str | None) -> dict:
        if fault == "expired":
            error = {"code": "batch_expired", "message": "This request could not be executed in time."}
            return {"id": "r", "custom_id": line["custom_id"], "response": None, "error": error}
        prompt = line["body"]["messages"][0]["content"]
        status, body = 200, completion(self._reply(line["body"]), prompt=prompt)
        if fault == "error":
            status, body = 400, {"error": {"message": f"cannot do {line['body']['messages'][0]['content']}"}}
        elif fault == "refusal":
            body = completion("", refusal="I would rather not.", prompt=prompt)
        elif fault == "no choices":
            body = {**body, "choices": []}
        response = {"status_code": status, "request_id": "r", "body": body}
        return {"id": "r", "custom_id": line["custom_id"], "response": response, "error": None}

    def open(self) -> list[dict]:
        return [batch for batch in self.batches.values() if batch.get("status") in {"validating", "in_progress"}]

    def retrieve(self, name: str) -> dict:
        with self._lock:
            batch = self.batches[name]
            if batch["status"] != "failed":
                self._polled[name] += 1
                batch["status"] = self.ends if self._polled[name] >= self.polls else "in_progress"
            if batch["status"] == "in_progress":
                return {key: value for key, value in batch.items() if not key.endswith("put_file_id")}
            return batch

    def list(self, query: dict) -> dict:
        """List the newest first, two per page."""
        with self._lock:
            names = list(reversed(self.batches))
            start = names.index(query["after"][0]) + 1 if "after" in query else 0
            page = names[start : start + 2]
            more = start + 2 < len(names)
            return {"object": "list", "data": [self.batches[name] for name in page], "has_more": more}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: BatchServer

    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:
        body = self._body()
        if self.path.endswith("/files"):
            self._serve("upload", lambda: self.owner.upload(self._file(body)))
        else:
            self._serve("create", lambda: self.owner.create(json.loads(body)))

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        parts = url.path.split("/")[2:]
        if parts[-1] == "content":
            self._serve("download", lambda: self.owner.files[parts[1]])
        elif len(parts) == 2:
            self._serve("retrieve", lambda: self.owner.retrieve(parts[1]))
        else:
            self._serve("list", lambda: self.owner.list(parse_qs(url.query)))

    def _serve(self, call: str, work: Callable[[], dict | bytes]) -> None:
        self.owner.calls[call] += 1
        queue = self.owner.faults_by_call[call]
        fault = queue.pop(0) if queue else None
        if fault and fault != "lost" and fault != "half":
            self._fail(fault)
            return
        try:
            if call != "create":
                self.owner.hold(call)
            found = work()
            if call == "create":
                self.owner.hold(call)
        except KeyError:
            self._send(404, {"error": {"message": "not found"}})
            return
        if fault == "lost":
            self.close_connection = True
            return
        if fault == "half":
            found = found[: len(found) // 2]
        self._send(200, found)

    def _fail(self, fault: str | bytes) -> None:
        if isinstance(fault, bytes):
            self._send(200, fault)
        elif fault == "drop":
            self.close_connection = True
        elif fault == "html":
            self._send(200, b"<html>Welcome to the hotel network</html>", "text/html")
        elif fault == "no money":
            self._send(429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
        else:
            key = self.headers["Authorization"]
            self._send(int(fault), {"error": {"message": f"error for {key}"}})

    def _send(self, status: int, content: dict | bytes, kind: str = "application/json") -> None:
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)
        except ConnectionError:
            self.close_connection = True

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers["Content-Length"]))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _file(self, body: bytes) -> bytes:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
        fields = {part.get_param("name", header="content-disposition"): part for part in parts}
        assert fields["purpose"].get_content() == "batch"
        return fields["file"].get_payload(decode=True)
