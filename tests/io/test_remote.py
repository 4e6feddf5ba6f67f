import gzip
import json
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from in2_plugin.config.corpus import RowSource, Source
from in2_plugin.corpus.sources import file_rows
from in2_plugin.corpus.sources.documents import read_documents, read_rows
from in2_plugin.corpus.sources.splits import PieceReader, find_pieces
from in2_plugin.errors import CorpusError
from in2_plugin.io import remote as filesystems
from tests.support.s3_server import S3Server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run every test in an empty folder, so that local keys are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(*texts: str) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def table(n: int, group: int) -> bytes:
    buffer = pa.BufferOutputStream()
    noise = [os.urandom(500).hex() for _ in range(n)]
    columns = {"text": [f"row {i} {noise[i]}" for i in range(n)], "heavy": noise[::-1]}
    parquet.write_table(pa.table(columns), buffer, row_group_size=group)
    return buffer.getvalue().to_pybytes()


FILES = {
    "c4-train.00000-of-00002.json.gz": gzip.compress(lines("zero", "", "one")),
    "c4-train.00001-of-00002.json.gz": gzip.compress(lines("two")),
    "b/a.txt": b"in b",
    "b.txt": b"beside b",
    "b-c/x.md": b"in b-c",
    "b/deep/er/z.jsonl": lines("deep"),
    "B.txt": b"upper",
    "sp ace/pér cent%20.txt": b"odd name",
    ".hidden.txt": b"no",
    "b/.git/x.txt": b"no",
    "picture.png": b"\x89PNG",
    "_SUCCESS": b"",
}


def read(*sources: Source) -> list[tuple[str, str]]:
    return [(document.key, document.text) for document in read_documents(sources)]


def failure(path: str, **options: Any) -> str:
    with pytest.raises(CorpusError) as caught:
        read(Source(path=path, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(params=["s3", "memory"])
def stored(request: pytest.FixtureRequest, s3: S3Server) -> Iterator[str]:
    """Write FILES to the local folder `d` and to a bucket; yield the URI of the bucket."""
    for name, data in FILES.items():
        path = Path("d") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if request.param == "s3":
            s3.put(f"corpus/d/{name}", data)
        else:
            fsspec.filesystem("memory").pipe(f"/corpus/d/{name}", data)
    yield f"{request.param}://corpus/"
    if request.param == "memory":
        fsspec.filesystem("memory").rm("/corpus", recursive=True)


TEXT = [
    "d/**/*.txt",
    "d/*/*.txt",
    "d/b*/**",
    "d/b/**/*.txt",
    "d/**/b/*.txt",
    "d/**/deep/**/z*",
    "d/[bB].txt",
    "d/b/.git/*",
    "d/.*.txt",
    "d/*.t?t",
    "d/?p*/*",
]


@pytest.mark.parametrize(
    ("path", "options"), [("d", {}), ("d/", {}), ("d/*.json.gz", {}), *((path, {"format": "text"}) for path in TEXT)]
)
def test_folders_and_globs_work_as_on_disk(stored: str, path: str, options: dict[str, Any]) -> None:
    local, remote = (read_documents([Source(path=root + path, **options)]) for root in ("", stored))
    expected = [(stored + document.key, document.text) for document in local]
    assert [(document.key, document.text) for document in remote] == expected
    assert expected
    assert (remote.empty, remote.other_files) == (local.empty, local.other_files)


def test_keys_of_remote_files(stored: str) -> None:
    name = f"{stored}d/c4-train.00000-of-00002.json.gz"
    assert read(Source(path=name)) == [(f"{name}:1", "zero"), (f"{name}:3", "one")]
    assert read(Source(path=f"{stored}d/b-c/x.md")) == [(f"{stored}d/b-c/x.md", "in b-c")]


def test_missing_files_and_unusable_options(stored: str) -> None:
    assert "no such bucket, folder or file" in failure(f"{stored}nothing.jsonl")
    assert "no such bucket" in failure(f"{stored.removesuffix('corpus/')}no-such-bucket/x/")
    assert "no file matches" in failure(f"{stored}d/*.rst")
    assert "none of the 1 files" in failure(f"{stored}d/b-c", format="jsonl")
    assert "set `format`" in failure(f"{stored}d/picture.png")
    assert "`text_field` does not apply" in failure(f"{stored}d/b.txt", text_field="body")
    assert "name of a dataset" in failure(f"{stored}d", format="hf")


def test_lines_are_read_in_ranges(s3: S3Server) -> None:
    data = lines(*(f"text {i} {'x' * 90}" for i in range(200_000)))
    s3.put("ranges/a.jsonl", data)
    found = find_pieces([Source(path="s3://ranges/a.jsonl")]).pieces
    assert len(found) == round(len(data) / (16 << 20)) == 1
    found = find_pieces([Source(path="s3://ranges/a.jsonl")], 1 << 20).pieces
    s3.requests.clear()
    reader = PieceReader(found[7])
    documents = list(reader)
    downloaded = s3.downloaded()
    assert s3.downloads == 1
    assert downloaded <= filesystems.READ_BYTES < len(data) / 4
    first = data[: found[7].start - 1].count(b"\n") + 1
    assert documents[0].text.split()[1] == str(first)
    assert documents[-1].text.split()[1] == str(first + reader.rows - 1)
    assert len(documents) == reader.rows


def test_row_groups_are_read_in_ranges(s3: S3Server) -> None:
    data = table(4_000, 200)
    s3.put("ranges/a.parquet", data)
    source = Source(path="s3://ranges/a.parquet")
    found = find_pieces([source], 500_000).pieces
    assert s3.downloaded() < len(data) / 20
    assert 3 < len(found) < 20
    s3.requests.clear()
    documents = list(PieceReader(found[2]))
    assert documents[0].text.startswith(f"row {200 * found[2].start} ")
    downloaded = s3.downloaded()
    assert downloaded < 1.5 * found[2].size + 70_000 < len(data) / 3
    rows = [document.text for piece in found for document in PieceReader(piece)]
    assert [row.split()[1] for row in rows] == [str(i) for i in range(4_000)]


def test_a_large_row_group_is_not_read_completely(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    data = table(10_000, 10_000)
    s3.put("ranges/one-group.parquet", data)
    monkeypatch.setattr(file_rows, "READ_BYTES", 1 << 16)
    [piece] = find_pieces([Source(path="s3://ranges/one-group.parquet")]).pieces
    next(PieceReader(piece))
    assert s3.downloaded() < len(data) / 8  # a dictionary and a page of 1 MiB each


def test_an_error_in_a_remote_piece_names_the_line(s3: S3Server) -> None:
    s3.put("errors/a.jsonl", lines(*map(str, range(50))) + b"oops\n")
    last = find_pieces([Source(path="s3://errors/a.jsonl")], 100).pieces[-1]
    with pytest.raises(CorpusError, match=r"s3://errors/a\.jsonl:51: is not JSON"):
        list(PieceReader(last))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json.gz", "a.parquet"])
def test_a_broken_connection_is_retried(s3: S3Server, name: str) -> None:
    texts = [os.urandom(40).hex() for _ in range(20_000)]
    if name.endswith("parquet"):
        parquet.write_table(pa.table({"text": texts}), name, row_group_size=5_000)
        data = Path(name).read_bytes()
    else:
        data = gzip.compress(lines(*texts)) if name.endswith("gz") else lines(*texts)
    s3.put(f"retries/{name}", data)
    s3.broken = 2
    assert [text for _, text in read(Source(path=f"s3://retries/{name}"))] == texts
    assert s3.broken == 0


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.json.gz"])
def test_a_connection_that_stays_broken_is_reported(s3: S3Server, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems, "S3_ATTEMPTS", 2)  # five attempts would take seconds
    s3.put(f"broken/{name}", table(100, 10) if name == "a.parquet" else lines("x" * 10_000))
    s3.broken = 10**6
    try:
        message = failure(f"s3://broken/{name}")
    finally:
        s3.broken = 0
    assert message.startswith(f"s3://broken/{name}: cannot be read (")
    assert "AWS_ACCESS_KEY_ID" in message


def test_a_forbidden_file_is_reported(s3: S3Server) -> None:
    s3.put("mixed/open/a.txt", b"x")
    message = failure("s3://mixed/forbidden/a.jsonl")
    assert message.startswith("s3://mixed/forbidden/a.jsonl: cannot be read (")
    assert "ACCESS_DENIED" in message
    assert "AWS_ACCESS_KEY_ID" in message


def test_an_unreachable_server_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems, "S3_ATTEMPTS", 2)
    server = S3Server()
    with server:
        server.put("gone/a.txt", b"x")
        assert failure("s3://gone/b.txt")
        server.stop()
        assert "cannot be read (" in failure("s3://gone/a.txt")


def test_rows_are_read_from_buckets(stored: str) -> None:
    rows = list(read_rows(RowSource(path=f"{stored}d/*.json.gz", limit=3)))
    assert rows[2] == (f"{stored}d/c4-train.00000-of-00002.json.gz:3", {"text": "one"})
    with pytest.raises(CorpusError, match="contains plain text"):
        read_rows(RowSource(path=f"{stored}d/b.txt"))


def test_file_uris_are_local(folder: Path) -> None:
    Path("d").mkdir()
    Path("d/a b.txt").write_text("a")
    assert read(Source(path=f"file://{folder}/d")) == [(f"{folder}/d/a b.txt", "a")]
    assert read(Source(path=f"file://localhost{folder}/d/*.txt")) == [(f"{folder}/d/a b.txt", "a")]
    assert "names the host other" in failure(f"file://other{folder}/d")


@pytest.mark.parametrize("uri", ["s3://", "s3:///a.jsonl", "gs://"])
def test_a_uri_without_a_bucket(uri: str) -> None:
    assert "has no bucket" in failure(uri)


def test_a_file_name_that_is_also_a_glob(s3: S3Server) -> None:
    s3.put("odd/a[1]?.txt", b"brackets")
    assert read(Source(path="s3://odd/a[1]?.txt")) == [("s3://odd/a[1]?.txt", "brackets")]


def test_a_saved_dataset_in_a_bucket_is_rejected(s3: S3Server) -> None:
    s3.put("saved/d/state.json", b"{}")
    s3.put("saved/d/data-00000-of-00001.arrow", b"")
    assert "copy it here" in failure("s3://saved/d")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://AKIA123:verysecret@bucket/a.jsonl",
        "gs://verysecret@bucket/a.jsonl",
        "https://user:verysecret@example.org/a.jsonl",
        "https://account.blob.core.windows.net/c/a.jsonl?sv=2024&sig=verysecret",
        "https://bucket.s3.amazonaws.com/a.jsonl?X-Amz-Signature=verysecret",
    ],
)
def test_a_secret_in_a_uri_is_rejected_and_not_shown(uri: str) -> None:
    for options in ({}, {"format": "hf"}, {"format": "jsonl", "split": "train"}):
        message = failure(uri, **options)
        assert "contains a key or signature" in message
        assert "verysecret" not in message


def test_an_azure_container_is_not_a_secret() -> None:
    filesystems.reject_credentials("abfs://container@account.dfs.core.windows.net/a.jsonl")


def test_unsupported_schemes() -> None:
    assert "nosuch:// is not supported" in failure("nosuch://x/a.jsonl")
    assert "oss:// needs another package (Install ossfs" in failure("oss://bucket/a.jsonl")


def test_http_files_are_read(folder: Path) -> None:
    Path("a.jsonl").write_bytes(lines(*map(str, range(100))))
    handler = partial(_QuietHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        uri = f"http://127.0.0.1:{server.server_port}/a.jsonl"
        assert read(Source(path=uri)) == [(f"{uri}:{i + 1}", str(i)) for i in range(100)]
        assert "no such bucket" in failure(uri.replace("a.jsonl", "b.jsonl"))
    finally:
        server.shutdown()
        server.server_close()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def test_the_region_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, s3: S3Server) -> None:
    s3.put("region/a.txt", b"x")
    filesystems._s3.cache_clear()
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert filesystems.remote_path("s3://region/a.txt").filesystem.region == "eu-central-1"
    filesystems._s3.cache_clear()
    monkeypatch.delenv("AWS_REGION")
    assert filesystems.remote_path("s3://region/a.txt").filesystem.region == "us-east-1"


def test_a_corpus_can_mix_local_and_remote_files(stored: str) -> None:
    shutil.copy("d/b.txt", "c.txt")
    sources = [Source(path="c.txt"), Source(path=f"{stored}d/*.json.gz", limit=2)]
    assert [text for _, text in read(*sources)] == ["beside b", "zero", "one"]
