"""Files by path or URI: which library reads them, and the one sentence when it cannot.

`s3://` and `gs://` are read by pyarrow, other schemes by fsspec's packages, `file://` and paths by the system.
Invariant: ranges are read, never a whole file to a disk; credentials come from where these libraries look for them,
and a URI that holds one is refused without being shown. Failed requests are repeated by the libraries: S3 up to
S3_ATTEMPTS times, Google for GCS_SECONDS. Cost: a request for each READ_BYTES.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

from in2_plugin.errors import CorpusError, one_line

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
READ_BYTES = 4 << 20
S3_ATTEMPTS = 5
# AWS's own 1 second is too short for a hundred workers that begin together
S3_CONNECT_SECONDS = 10
GCS_SECONDS = 60
CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or the machine's role; another service than AWS by "
    "AWS_ENDPOINT_URL",
    "gs": "`gcloud auth application-default login`, GOOGLE_APPLICATION_CREDENTIALS or the machine's account",
}
SIGNATURES = {"sig", "X-Amz-Signature", "X-Goog-Signature"}
"""Parameters by which a URI is a key to what it names."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


@dataclass(frozen=True, slots=True)
class Remote:
    """What is behind a URI."""

    files: Any
    """A pyarrow.fs.FileSystem."""
    path: str
    """The name there, mostly `bucket/folder/file`."""


def scheme(path: str) -> str | None:
    """`s3` of `s3://bucket/file`; None for a path of this machine, which `file://` is as well."""
    found = _SCHEME.match(path)
    return found[1].lower() if found and found[1].lower() != "file" else None


def local_path(path: str, folder: str = "") -> Path:
    """The path of a file of this machine; `folder` is where relative ones begin."""
    if path.startswith("file://"):
        host, slash, inner = path.removeprefix("file://").partition("/")
        if host not in ("", "localhost"):
            raise CorpusError(f"{path}: names the machine {host}; write file:///{inner} for a file of this one")
        path = slash + inner
    return Path(folder) / Path(path).expanduser()


def remote(uri: str) -> Remote:
    """The file system of a URI, made once a process.

    Raises:
        CorpusError: the URI holds a secret, a package is missing, or the bucket cannot be asked for its region.
    """
    reject_credentials(uri)
    kind, rest = str(scheme(uri)), uri.partition("://")[2].rstrip("/")
    if kind in CREDENTIALS and not rest.partition("/")[0]:
        raise CorpusError(f"{uri}: names no bucket; write {kind}://bucket/folder")
    with sentences(uri):
        if kind == "s3":
            endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
            return Remote(_s3(rest.partition("/")[0], endpoint), rest)
        if kind == "gs":
            return Remote(_gcs(), rest)
        return _by_fsspec(uri, kind)


def reject_credentials(uri: str) -> None:
    """Raise CorpusError for a URI with a key, password or signature in it."""
    parts = urlsplit(uri)
    user, at, _ = parts.netloc.rpartition("@")
    # abfs://container@account names no user
    has_key = bool(at) and (":" in user or parts.scheme in CREDENTIALS)
    if has_key or SIGNATURES & parse_qs(parts.query).keys():
        hint = CREDENTIALS.get(parts.scheme, "the variables and files that its fsspec package names")
        raise CorpusError(
            f"{parts.scheme}://: a path of this scheme holds a key or signature, which would stand in the dataset and "
            f"its logs; take it out and give it by {hint}"
        )


@cache
def _s3(bucket: str, endpoint: str) -> Any:
    from pyarrow import fs

    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        # other services ignore the region, but it is part of the signature
        region = "us-east-1" if endpoint else fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(
        region=region,
        endpoint_override=endpoint or None,
        connect_timeout=S3_CONNECT_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=S3_ATTEMPTS),
    )


@cache
def _gcs() -> Any:
    from pyarrow import fs

    return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=GCS_SECONDS))


def _by_fsspec(uri: str, kind: str) -> Remote:
    import fsspec
    from fsspec.registry import known_implementations
    from pyarrow import fs

    try:
        files, path = fsspec.url_to_fs(uri)
    except ImportError as failure:
        known = known_implementations.get(kind, {}).get("err") or str(failure)
        raise CorpusError(f"{uri}: {kind}:// needs another package ({known}); install it in this environment") from None
    except ValueError:
        raise CorpusError(
            f"{uri}: nothing here reads {kind}://; use s3://, gs://, or a scheme that an installed fsspec package knows"
        ) from None
    return Remote(fs.PyFileSystem(fs.FSSpecHandler(files)), path)


@contextmanager
def opened(path: str, folder: str = "") -> Iterator[IO[bytes]]:
    """The bytes of a file behind its compression; one without can be sought in.

    Raises:
        CorpusError: it cannot be read, at any time while it is open.
    """
    compression = COMPRESSIONS.get(Path(path).suffix.lower())
    with (
        sentences(path),
        _remote_bytes(path, compression)
        if scheme(path)
        else _local_bytes(local_path(path, folder), compression) as file,
    ):
        yield file


@contextmanager
def _local_bytes(path: Path, compression: str | None) -> Iterator[IO[bytes]]:
    import pyarrow as pa

    with path.open("rb") as file:
        yield io.BufferedReader(pa.input_stream(file, compression=compression)) if compression else file


@contextmanager
def _remote_bytes(uri: str, compression: str | None) -> Iterator[IO[bytes]]:
    found = remote(uri)
    if compression:
        stream = found.files.open_input_stream(found.path, compression=compression, buffer_size=READ_BYTES)
    else:
        stream = found.files.open_input_file(found.path)
    with stream:
        yield io.BufferedReader(stream, 1 << 16 if compression else READ_BYTES)


@contextmanager
def table_file(path: str, folder: str = "") -> Iterator[Any]:
    """What pyarrow's ParquetFile reads from: a path, or an open remote file."""
    if not scheme(path):
        yield local_path(path, folder)
        return
    found = remote(path)
    with sentences(path), found.files.open_input_file(found.path) as file:
        yield file


@contextmanager
def sentences(path: str) -> Iterator[None]:
    """Turn what file systems raise into a CorpusError about `path`."""
    kind = scheme(path)
    try:
        yield
    except CorpusError:
        raise
    except FileNotFoundError as failure:
        if not kind:
            raise _unreadable(path, failure.strerror or str(failure)) from None
        raise no_such(path) from None
    except OSError as failure:
        raise _unreadable(path, failure.strerror or str(failure)) from None
    except Exception as failure:
        if not kind:
            raise
        # each fsspec package has errors of its own; the chain keeps them
        raise _unreadable(path, f"{type(failure).__name__}: {failure}") from failure


def no_such(uri: str) -> CorpusError:
    """The error for a URI behind which there is nothing."""
    return CorpusError(f"{uri}: there is no such bucket, folder or file; check the name and {_hint(uri)}")


def _unreadable(path: str, reason: str) -> CorpusError:
    short = one_line(reason)
    advice = f"check the name, the connection and {_hint(path)}" if scheme(path) else "mend or remove it"
    return CorpusError(f"{path}: cannot be read ({short}); {advice}")


def _hint(uri: str) -> str:
    given = CREDENTIALS.get(str(scheme(uri)))
    return f"your rights (credentials: {given})" if given else "your rights"
