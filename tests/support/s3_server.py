"""Amazon S3 on localhost: moto's server, with connections that break on request.

In a test: `with S3Server() as s3: s3.put("bucket/a.jsonl", b"...")`, and pyarrow's own client reads `s3://bucket/a.jsonl`
through AWS_ENDPOINT_URL. It records each request, and denies keys below `forbidden/` like a bucket policy.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'


@dataclass(frozen=True, slots=True)
class S3Request:
    """One request of a client."""

    method: str
    path: str
    range: str | None
    """The range header `bytes=0-99`, inclusive."""


class S3Server:
    """A server in a thread, and the environment variables that point clients to it."""

    def __init__(self) -> None:
        self.requests: list[S3Request] = []
        self.broken = 0
        """Number of downloads that will break off in the middle."""
        self._app: Any = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        given = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

    def stop(self) -> None:
        """Stop the server, as in a network failure."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, path: str, data: bytes) -> None:
        """Write `bucket/key`, and create the bucket if necessary."""
        from pyarrow import fs

        files = fs.S3FileSystem(region="us-east-1", endpoint_override=self.url, allow_bucket_creation=True)
        files.create_dir(path.partition("/")[0])
        with files.open_output_stream(path, compression=None) as file:
            file.write(data)
        self.requests.clear()

    @property
    def downloads(self) -> int:
        """Return the number of range requests."""
        return sum(request.method == "GET" and bool(request.range) for request in self.requests)

    def downloaded(self) -> int:
        """Return the bytes that range requests asked for."""
        ranges = [request.range.removeprefix("bytes=").split("-") for request in self.requests if request.range]
        return sum(int(last) - int(first) + 1 for first, last in ranges)

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = S3Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_RANGE"))
        self.requests.append(request)
        if "/forbidden/" in request.path:
            start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(DENIED)))])
            return [DENIED]
        answer: Iterable[bytes] = self._app(environ, start_response)
        if request.method == "GET" and request.range and self.broken:
            self.broken -= 1
            return _half(b"".join(answer))
        return answer


def _half(data: bytes) -> Iterator[bytes]:
    yield data[: len(data) // 2]
    raise ConnectionResetError("the test breaks this connection")


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass
