"""An OpenAI-compatible server on localhost that answers every VAL probe and `litm_kv` correctly, as far as it has read
the prompt.

In a test: `with OracleServer(tokenizer) as oracle: ... oracle.url("completions"), oracle.prompts`. With a limit, it
rejects longer prompts or drops their start or middle; it can report the number of tokens that it has read.
"""

import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOO_LONG = "This model's maximum context length is {} tokens. However, you requested {} tokens."


def answer(prompt: str) -> str:
    """Find the requested item in the prompt; return an empty text if it has been cut away."""
    if found := re.search(r'^Key: "(.+)"\nCorresponding value:', prompt, re.M):
        return (re.findall(rf'"{found[1]}": "(.+?)"', prompt) or [""])[0]
    context, _, question = prompt.partition("### Context:\n")[2].rpartition("\n\n### Instruction:\n")
    context = context or prompt
    if found := re.search(r"where the id is (\S+) \?", question or prompt):
        return next((line for line in context.splitlines() if line.startswith(f"<id: {found[1]},")), "")
    if found := re.search(r'contains the code snip "(.*)" \?', question or prompt):
        place = context.find(f"    {found[1]}\n")
        return (re.findall(r"^def (\w+):$", context[: max(place, 0)], re.M) or [""])[-1]
    quoted = re.search(r'contains the piece "(.*)"\?', question or prompt)
    return next((line for line in context.splitlines() if quoted and quoted[1] in line), "")


@dataclass
class OracleServer:
    """The server; its settings can change while it runs."""

    tokenizer: Any
    limit: int | None = None
    """Maximum tokens of prompt and answer together."""
    over: str = "refuse"
    """How longer prompts are handled: `refuse`, or the part that is dropped, `left` or `middle`."""
    usage: bool = True
    """Report the number of tokens read."""
    listed: int | None = None
    """`max_model_len` in the list of models; no list if None."""
    status: int = 200
    """Any other status is the response to every request."""
    reason: str = "out of order"
    more: int = 0
    """Tokens added to the reported number."""
    prompts: list[str] = field(default_factory=list)
    """The part of each prompt that was read."""
    bodies: list[dict] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> "OracleServer":
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"oracle": self}))
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def url(self, path: str = "completions") -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1/{path}"

    def complete(self, body: dict) -> tuple[int, dict]:
        """Return status and content of the response to one request with one or several prompts."""
        if self.status != 200:
            return self.status, {"error": {"message": self.reason}}
        room = None if self.limit is None else self.limit - body.get("max_tokens", 16)
        choices, read = [], 0
        for index, ids in enumerate(self._ids(body)):
            if room is not None and len(ids) > room and self.over == "refuse":
                return 400, {"error": {"message": TOO_LONG.format(self.limit, len(ids) + self.limit - room)}}
            kept = self._kept(ids, room)
            text = self.tokenizer.decode(kept)
            self.prompts.append(text)
            read += len(kept) + self.more
            said = answer(text)
            choices.append({"index": index, "text": said, "message": {"role": "assistant", "content": said}})
        usage = {"usage": {"prompt_tokens": read}} if self.usage else {}
        return 200, {"choices": choices, **usage}

    def _kept(self, ids: list[int], room: int | None) -> list[int]:
        if room is None or len(ids) <= room:
            return ids
        return ids[-room:] if self.over == "left" else ids[: room // 2] + ids[-(room - room // 2) :]

    def _ids(self, body: dict) -> list[list[int]]:
        """Return the token ids of each prompt of a request, which are ids, text, or messages."""
        if "messages" in body:
            turns = [{"role": one["role"], "content": one["content"]} for one in body["messages"]]
            text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            return [self.tokenizer(text, add_special_tokens=False)["input_ids"]]
        given = body["prompt"]
        texts = [given] if isinstance(given, str) else given
        return [self.tokenizer(one)["input_ids"] if isinstance(one, str) else one for one in texts]


class _Handler(BaseHTTPRequestHandler):
    oracle: OracleServer

    def do_GET(self) -> None:
        if self.oracle.listed is None or not self.path.endswith("/models"):
            self._send(404, {"error": "no such page"})
        else:
            self._send(200, {"data": [{"id": "oracle", "max_model_len": self.oracle.listed}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.endswith("completions"):
            self._send(404, {"error": "no such page"})
            return
        self.oracle.bodies.append(body)
        self.oracle.headers.append(dict(self.headers))
        self._send(*self.oracle.complete(body))

    def _send(self, status: int, content: dict) -> None:
        reply = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        """Keep requests out of the test output."""
