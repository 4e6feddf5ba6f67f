import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from in2_plugin.config.corpus import CorpusConfig, EvaluationSource, RowSource, Source
from in2_plugin.corpus.sources import locate as locating
from in2_plugin.corpus.sources.documents import Document, read_documents, read_rows
from in2_plugin.errors import CorpusError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run every test in an empty folder, so that keys are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plain(path: str, data: bytes) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data)


def gz(path: str, data: bytes) -> None:
    plain(path + ".gz", gzip.compress(data))


def zst(path: str, data: bytes) -> None:
    with pa.CompressedOutputStream(path + ".zst", "zstd") as file:
        file.write(data)


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def table(path: str, **columns: list[Any]) -> bytes:
    parquet.write_table(pa.table(columns), path, row_group_size=2)
    return Path(path).read_bytes()


def read(path: str, **options: Any) -> list[tuple[str, str]]:
    return [(document.key, document.text) for document in read_documents([Source(path=path, **options)])]


def failure(path: str, **options: Any) -> str:
    with pytest.raises(CorpusError) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


COMPRESSED = pytest.mark.parametrize(("pack", "ending"), [(plain, ""), (gz, ".gz"), (zst, ".zst")])


@COMPRESSED
def test_jsonl_is_read(pack: Callable[[str, bytes], None], ending: str) -> None:
    pack("a.jsonl", lines({"text": "one"}, {"text": "zwei ü 中", "id": 3}))
    name = f"a.jsonl{ending}"
    assert read(name) == [(f"{name}:1", "one"), (f"{name}:2", "zwei ü 中")]
    assert next(read_documents([Source(path=name)])) == Document(name, f"{name}:1", "one")


@COMPRESSED
def test_parquet_is_read(pack: Callable[[str, bytes], None], ending: str) -> None:
    data = table("whole.bin", text=["one", "two", "three"], number=[1, 2, 3])
    pack("a.parquet", data)
    name = f"a.parquet{ending}"
    assert read(name) == [(f"{name}:1", "one"), (f"{name}:2", "two"), (f"{name}:3", "three")]


@COMPRESSED
def test_text_is_read(pack: Callable[[str, bytes], None], ending: str) -> None:
    pack("a.md", "# Title\n\nText ü\n".encode())
    assert read(f"a.md{ending}") == [(f"a.md{ending}", "# Title\n\nText ü\n")]


def test_json_files_are_read_as_json_lines() -> None:
    gz("c4-train.00000-of-00512.json", lines({"text": "news", "url": "u"}))
    assert read("*.json.gz") == [("c4-train.00000-of-00512.json.gz:1", "news")]


def test_a_gzip_file_may_have_several_members() -> None:
    plain("a.jsonl.gz", gzip.compress(lines({"text": "one"})) + gzip.compress(lines({"text": "two"})))
    assert len(read("a.jsonl.gz")) == 2


def test_another_text_field_can_be_set() -> None:
    plain("a.jsonl", lines({"body": "one", "text": "no"}))
    table("b.parquet", body=["two"], text=["no"])
    assert read("a.jsonl", text_field="body") == [("a.jsonl:1", "one")]
    assert read("b.parquet", text_field="body") == [("b.parquet:1", "two")]


def test_parquet_reads_only_the_text_column(monkeypatch: pytest.MonkeyPatch) -> None:
    table("a.parquet", text=["one"], heavy=[b"x" * 100])
    asked: list[Any] = []
    original = parquet.ParquetFile.iter_batches

    def spy(self: Any, *args: Any, **options: Any) -> Any:
        asked.append(options["columns"])
        return original(self, *args, **options)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", spy)
    assert read("a.parquet") == [("a.parquet:1", "one")]
    assert asked == [["text"]]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet_string_types_are_supported(kind: pa.DataType) -> None:
    parquet.write_table(pa.table({"text": pa.array(["one", "one"]).cast(kind)}), "a.parquet")
    assert [text for _, text in read("a.parquet")] == ["one", "one"]


def test_jsonl_is_streamed() -> None:
    plain("a.jsonl", lines({"text": "one"}, {"text": "two"}) + b"broken\n")
    stream = read_documents([Source(path="a.jsonl")])
    assert next(stream).text == "one"
    assert next(stream).text == "two"
    with pytest.raises(CorpusError, match=r"a\.jsonl:3"):
        next(stream)


def test_the_limit_is_per_source_and_counts_documents() -> None:
    plain("a.jsonl", lines(*({"text": text} for text in ["", "1", " ", "2", "3"])) + b"never read\n")
    plain("b.txt", b"b")
    stream = read_documents([Source(path="a.jsonl", limit=2), Source(path="b.txt", limit=2)])
    assert [(document.source, document.key) for document in stream] == [
        ("a.jsonl", "a.jsonl:2"),
        ("a.jsonl", "a.jsonl:4"),
        ("b.txt", "b.txt"),
    ]
    assert (stream.documents, stream.empty) == (3, 2)


def test_a_folder_is_read_in_sorted_order_and_counts_other_files() -> None:
    plain("d/b.txt", b"b")
    plain("d/a/z.MD", b"z")
    plain("d/a/c.jsonl", lines({"text": "c"}))
    plain("d/picture.png", b"\x89PNG")
    plain("d/.hidden.txt", b"no")
    plain("d/.git/x.txt", b"no")
    Path("d/loop").symlink_to(Path("d").resolve())
    stream = read_documents([Source(path="d")])
    assert [document.key for document in stream] == ["d/a/c.jsonl:1", "d/a/z.MD", "d/b.txt"]
    assert stream.other_files == 1


def test_a_format_selects_the_files_of_a_folder() -> None:
    plain("d/a.txt", b"a")
    plain("d/b.jsonl", lines({"text": "b"}))
    stream = read_documents([Source(path="d", format="text")])
    assert [document.key for document in stream] == ["d/a.txt"]
    assert stream.other_files == 1


def test_a_folder_without_text_files_is_an_error() -> None:
    plain("d/a.pdf", b"%PDF")
    message = failure("d", format="text")
    assert all(ending in message for ending in (".txt", ".md", ".rst", ".text"))
    assert "1 files" in message
    assert ".parquet" in failure("d")


def test_globs_select_files() -> None:
    for name in ("x/1.txt", "x/y/2.txt", "x/3.md"):
        plain(name, name.encode())
    assert [key for key, _ in read("x/*.txt")] == ["x/1.txt"]
    assert [key for key, _ in read("x/**/*.txt")] == ["x/1.txt", "x/y/2.txt"]
    assert [key for key, _ in read(str(Path("x").resolve() / "*.md"))] == [str(Path("x/3.md").resolve())]
    assert "no file matches" in failure("x/*.rst")


def test_a_file_name_may_contain_glob_characters() -> None:
    plain("a[1].txt", b"brackets")
    assert read("a[1].txt") == [("a[1].txt", "brackets")]


def test_the_format_overrides_the_extension() -> None:
    plain("a.dat", b"plain")
    plain("b.log.gz", gzip.compress(lines({"text": "b"})))
    assert "set `format`" in failure("a.dat")
    assert "set `format`" in failure("*.dat")
    assert read("a.dat", format="text") == [("a.dat", "plain")]
    assert read("b.log.gz", format="jsonl") == [("b.log.gz:1", "b")]


def test_byte_order_marks_and_newlines_are_normalized() -> None:
    plain("a.txt", "\ufeffone\r\ntwo\nthree\r\n".encode())
    plain("b.jsonl", b"\xef\xbb\xbf" + lines({"text": "\ufeffone\r\ntwo"}) + b"\r\n\r\n")
    assert read("a.txt") == [("a.txt", "one\ntwo\nthree\n")]
    assert read("b.jsonl") == [("b.jsonl:1", "one\ntwo")]


def test_empty_documents_are_counted() -> None:
    plain("d/a.txt", b" \n")
    plain("d/b.jsonl", lines({"text": ""}, {"text": None}, {"text": "\u3000"}, {"text": "x"}))
    table("d/c.parquet", text=["y", None, ""])
    stream = read_documents([Source(path="d")])
    assert [document.text for document in stream] == ["x", "y"]
    assert stream.empty == 6


def test_a_corpus_without_documents_is_an_error() -> None:
    plain("a.txt", b" ")
    message = failure("a.txt")
    assert "a.txt" in message
    assert "1 read" in message


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (b'{"text": "a"}\n{"text": \n', ["a.jsonl:2", "not JSON"]),
        (b'["a"]\n', ["a.jsonl:1", "list"]),
        (b'{"body": "a", "id": 1}\n', ["a.jsonl:1", "`text`", "body, id"]),
        (b'{"text": 7}\n', ["a.jsonl:1", "int"]),
        (b'{"text": ["a"]}\n', ["a.jsonl:1", "list", "text_field"]),
        (b'{"text": "a"}\n{"text": "\xe9"}\n', ["a.jsonl:2", "UTF-8", "iconv"]),
        (b'{"text": "ab\\ud83d"}\n', ["a.jsonl:1", "character 3", "surrogate"]),
        (b"[" * 200_000 + b"\n", ["a.jsonl:1", "not JSON"]),
    ],
)
def test_a_bad_line_is_an_error_with_its_number(data: bytes, parts: list[str]) -> None:
    plain("a.jsonl", data)
    message = failure("a.jsonl")
    assert all(part in message for part in parts), message


def test_text_that_is_not_utf8_is_an_error() -> None:
    plain("a.txt", "naïve".encode("latin-1"))
    message = failure("a.txt")
    assert all(part in message for part in ("a.txt", "byte 3", "iconv"))


def test_unreadable_parquet_is_an_error() -> None:
    table("a.parquet", body=["x"], id=[1])
    plain("b.parquet", b"not parquet")
    assert "body, id" in failure("a.parquet")
    assert "int" in failure("a.parquet", text_field="id")
    assert "b.parquet" in failure("b.parquet")
    gz("c.parquet", b"not parquet")
    assert "c.parquet.gz" in failure("c.parquet.gz")


@pytest.mark.parametrize("pack", [gz, zst])
def test_a_truncated_compressed_file_is_an_error(pack: Callable[[str, bytes], None]) -> None:
    pack("a.jsonl", lines(*({"text": f"{i * 7919}"} for i in range(1_000))))
    [path] = Path().glob("a.jsonl.*")
    path.write_bytes(path.read_bytes()[:-20])
    assert str(path) in failure(str(path))


@pytest.mark.parametrize("path", ["missing.jsonl", "/no/such/place", "./x", "a/b/c", "~/no-such-file-here"])
def test_a_missing_path_is_an_error(path: str) -> None:
    assert "no such file or folder" in failure(path)


@pytest.mark.parametrize("kind", [RowSource, EvaluationSource])
def test_a_dumped_source_reads_the_same_rows(tmp_path, kind) -> None:
    (tmp_path / "a.jsonl").write_text('{"q": "why"}\n')
    given = kind(path=str(tmp_path / "a.jsonl"))
    assert list(read_rows(kind.model_validate(given.model_dump()))) == list(read_rows(given)) != []


def test_a_missing_source_fails_before_anything_is_read() -> None:
    plain("a.txt", b"a")
    with pytest.raises(CorpusError, match="missing"):
        read_documents([Source(path="a.txt"), Source(path="missing.txt")])


@pytest.mark.parametrize(
    ("path", "options", "named"),
    [
        ("a.txt", {"text_field": "body"}, "`text_field`"),
        ("a.txt", {"split": "test"}, "`split`"),
        ("a.jsonl", {"name": "en"}, "`name`"),
        ("bundled:python-docs", {"text_field": "body"}, "`text_field`"),
    ],
)
def test_options_that_do_not_apply_are_errors(path: str, options: dict[str, Any], named: str) -> None:
    plain("a.txt", b"a")
    plain("a.jsonl", lines({"text": "a"}))
    assert named in failure(path, **options)


@pytest.mark.parametrize("source", [Source(path="bundled:other"), Source(path="x", format="bundled")])
def test_only_one_corpus_is_bundled(source: Source) -> None:
    with pytest.raises(CorpusError, match="bundled:python-docs"):
        read_documents([source])


def test_the_default_source_is_the_bundled_corpus() -> None:
    document = next(read_documents(CorpusConfig().sources))
    assert document.source == "bundled:python-docs"
    assert "#" in document.key


def test_format_hf_reads_a_local_folder_of_files() -> None:
    plain("d/train.jsonl", lines({"text": "one"}, {"text": "two"}))
    plain("d/test.jsonl", lines({"text": "three"}))
    assert read("d", format="hf") == [("d/train:1", "one"), ("d/train:2", "two")]
    assert read("d", format="hf", split="test") == [("d/test:1", "three")]
    assert "text" in failure("d", format="hf", text_field="body")
    assert "d: cannot be read" in failure("d", format="hf", split="validation")


def test_format_hf_reads_a_saved_dataset() -> None:
    import datasets

    rows = datasets.Dataset.from_dict({"text": ["one", "two"]})
    rows.save_to_disk("single")
    datasets.DatasetDict({"train": rows, "test": rows.select([1])}).save_to_disk("several")
    assert read("single") == [("single/train:1", "one"), ("single/train:2", "two")]
    assert read("several", split="test") == [("several/test:1", "two")]
    assert "split" in failure("several", split="dev")


def test_hugging_face_datasets_are_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked: list[Any] = []

    def rows() -> Any:
        yield from ({"text": f"text {i}"} for i in range(10**12))

    def load_dataset(path: str, **options: Any) -> Any:
        asked.append((path, options))
        return datasets.IterableDataset.from_generator(rows)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert read("allenai/c4", name="realnewslike", limit=2) == [
        ("allenai/c4/realnewslike/train:1", "text 0"),
        ("allenai/c4/realnewslike/train:2", "text 1"),
    ]
    assert asked == [("allenai/c4", {"name": "realnewslike", "split": "train", "streaming": True})]


def test_a_hub_that_fails_is_a_corpus_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def rows() -> Any:
        yield {"text": "one"}
        raise ConnectionError("gone\naway")

    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: datasets.IterableDataset.from_generator(rows))
    message = failure("someone/something")
    assert "someone/something/train:2" in message
    assert "gone away" in message


def test_every_format_in_the_config_has_a_reader() -> None:
    formats = set(Source.model_fields["format"].annotation.__args__)  # type: ignore[union-attr]
    assert formats - {"auto"} == set(locating.OPTIONS)
    assert formats - {"auto", "bundled", "hf"} == set(locating.EXTENSIONS)
