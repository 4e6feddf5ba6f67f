"""Open files by path or URI, and report failures in one sentence.

pyarrow reads `s3://` and `gs://`, the fsspec packages other schemes, the system `file://` and paths. Invariants: files
are read in ranges, never copied to disk; credentials come from the usual places of these libraries, and a URI that
contains one is rejected without being shown. The libraries retry failed requests: S3 up to S3_ATTEMPTS times, Google
for GCS_SECONDS. Cost: one request per READ_BYTES.
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
# AWS's default of 1 second is too short for a hundred workers that start together
S3_CONNECT_SECONDS = 10
GCS_SECONDS = 60
CREDENTIAL_SOURCES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or the machine's role; AWS_ENDPOINT_URL for a "
    "service other than AWS",
    "gs": "`gcloud auth application-default login`, GOOGLE_APPLICATION_CREDENTIALS or the machine's account",
}
SIGNATURES = {"sig", "X-Amz-Signature", "X-Goog-Signature"}
"""Query parameters that grant access to the file."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A path on a remote file system."""

    filesystem: Any
    """A pyarrow.fs.FileSystem."""
    path: str
    """The path without scheme, usually `bucket/folder/file`."""


def uri_scheme(path: str) -> str | None:
    """Return `s3` for `s3://bucket/file`; None for a local path, including `file://`."""
    found = _SCHEME.match(path)
    return found[1].lower() if found and found[1].lower() != "file" else None


def local_path(path: str, folder: str = "") -> Path:
    """Return the local path of a file; relative paths start at `folder`."""
    if path.startswith("file://"):
        host, slash, inner = path.removeprefix("file://").partition("/")
        if host not in ("", "localhost"):
            raise CorpusError(f"{path}: names the host {host}; write file:///{inner} for a local file")
        path = slash + inner
    return Path(folder) / Path(path).expanduser()


def remote_path(uri: str) -> RemotePath:
    """Return the file system of a URI, created once per process, and the path on it.

    Raises:
        CorpusError: the URI contains a secret, a package is missing, or the region of the bucket is not available.
    """
    reject_credentials(uri)
    kind, rest = str(uri_scheme(uri)), uri.partition("://")[2].rstrip("/")
    if kind in CREDENTIAL_SOURCES and not rest.partition("/")[0]:
        raise CorpusError(f"{uri}: has no bucket; write {kind}://bucket/folder")
    with as_corpus_error(uri):
        if kind == "s3":
            endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
            return RemotePath(_s3(rest.partition("/")[0], endpoint), rest)
        if kind == "gs":
            return RemotePath(_gcs(), rest)
        return _by_fsspec(uri, kind)


def reject_credentials(uri: str) -> None:
    """Raise CorpusError for a URI that contains a key, password or signature."""
    parts = urlsplit(uri)
    user, at, _ = parts.netloc.rpartition("@")
    # abfs://container@account has no user
    has_key = bool(at) and (":" in user or parts.scheme in CREDENTIAL_SOURCES)
    if has_key or SIGNATURES & parse_qs(parts.query).keys():
        hint = CREDENTIAL_SOURCES.get(parts.scheme, "the variables and files that its fsspec package documents")
        raise CorpusError(
            f"{parts.scheme}://: a path with this scheme contains a key or signature, which would be written to the "
            f"dataset and its logs; remove it, and use {hint}"
        )


@cache
def _s3(bucket: str, endpoint: str) -> Any:
    from pyarrow import fs

    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        # other services ignore the region, but the signature contains it
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


def _by_fsspec(uri: str, kind: str) -> RemotePath:
    import fsspec
    from fsspec.registry import known_implementations
    from pyarrow import fs

    try:
        filesystem, path = fsspec.url_to_fs(uri)
    except ImportError as failure:
        known = known_implementations.get(kind, {}).get("err") or str(failure)
        raise CorpusError(f"{uri}: {kind}:// needs another package ({known}); install it in this environment") from None
    except ValueError:
        raise CorpusError(
            f"{uri}: {kind}:// is not supported; use s3://, gs://, or a scheme of an installed fsspec package"
        ) from None
    return RemotePath(fs.PyFileSystem(fs.FSSpecHandler(filesystem)), path)


@contextmanager
def open_decompressed(path: str, folder: str = "") -> Iterator[IO[bytes]]:
    """Open a file and decompress it by its extension; an uncompressed file is seekable.

    Raises:
        CorpusError: it cannot be read; also later, while it is open.
    """
    compression = COMPRESSIONS.get(Path(path).suffix.lower())
    with (
        as_corpus_error(path),
        _remote_bytes(path, compression)
        if uri_scheme(path)
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
    found = remote_path(uri)
    if compression:
        stream = found.filesystem.open_input_stream(found.path, compression=compression, buffer_size=READ_BYTES)
    else:
        stream = found.filesystem.open_input_file(found.path)
    with stream:
        yield io.BufferedReader(stream, 1 << 16 if compression else READ_BYTES)


@contextmanager
def parquet_source(path: str, folder: str = "") -> Iterator[Any]:
    """Yield a source for pyarrow's ParquetFile: a path, or an open remote file."""
    if not uri_scheme(path):
        yield local_path(path, folder)
        return
    found = remote_path(path)
    with as_corpus_error(path), found.filesystem.open_input_file(found.path) as file:
        yield file


@contextmanager
def as_corpus_error(path: str) -> Iterator[None]:
    """Turn the errors of file systems into a CorpusError about `path`."""
    kind = uri_scheme(path)
    try:
        yield
    except CorpusError:
        raise
    except FileNotFoundError as failure:
        if not kind:
            raise _unreadable(path, failure.strerror or str(failure)) from None
        raise not_found(path) from None
    except OSError as failure:
        raise _unreadable(path, failure.strerror or str(failure)) from None
    except Exception as failure:
        if not kind:
            raise
        # each fsspec package has its own errors; the chain keeps them
        raise _unreadable(path, f"{type(failure).__name__}: {failure}") from failure


def not_found(uri: str) -> CorpusError:
    """Return the error for a URI that does not exist."""
    return CorpusError(f"{uri}: no such bucket, folder or file; check the name and {_permissions(uri)}")


def _unreadable(path: str, reason: str) -> CorpusError:
    is_remote = uri_scheme(path) is not None
    advice = f"check the name, the connection and {_permissions(path)}" if is_remote else "fix or delete the file"
    return CorpusError(f"{path}: cannot be read ({one_line(reason)}); {advice}")


def _permissions(uri: str) -> str:
    sources = CREDENTIAL_SOURCES.get(str(uri_scheme(uri)))
    return f"your permissions (credentials: {sources})" if sources else "your permissions"
