import gzip
import json
import pickle
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from in2_plugin.config.corpus import Source
from in2_plugin.corpus.sources import splits as pieces
from in2_plugin.corpus.sources.documents import read_documents
from in2_plugin.corpus.sources.splits import Piece, PieceReader, find_pieces, row_place
from in2_plugin.errors import CorpusError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run every test in an empty folder, so that keys are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def numbered(n: int) -> bytes:
    return lines(*({"text": f"text {i}"} for i in range(n)))


def in_pieces(found: tuple[Piece, ...]) -> tuple[list[tuple[str, str]], int]:
    """Return (key, text) of every document, reading each piece after pickling it, and the number of rows without text.

    For every piece, also compare its count of the rows before it with the rows of the earlier pieces.
    """
    documents, before, empty = list[tuple[str, str]](), 0, 0
    for piece in found:
        before = before if piece.start else 0
        if piece.kind in ("jsonl", "parquet"):
            assert row_place(piece, 1, None) == f"{piece.place}:{before + 1}"
        reader = PieceReader(pickle.loads(pickle.dumps(piece)))
        for document in reader:
            key = document.key or f"{piece.place}:{before + document.number}"
            documents.append((key, document.text))
        before, empty = before + reader.rows, empty + reader.empty
    return documents, empty


def whole(*sources: Source) -> tuple[list[tuple[str, str]], int]:
    stream = read_documents(sources)
    try:
        return [(document.key, document.text) for document in stream], stream.empty
    except CorpusError as failure:
        assert "not one document" in str(failure)
        return [], stream.empty


texts = st.one_of(st.text(max_size=8), st.sampled_from(["", " ", "中文", "a\r\nb", "\ufeffx", "\u2028\u0085\x0c"]))
json_line = st.builds(
    lambda text, ascii, mark: mark + json.dumps({"text": text}, ensure_ascii=ascii).encode(),
    texts,
    st.booleans(),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
ended = st.builds(bytes.__add__, st.one_of(json_line, st.sampled_from([b"", b"  "])), st.sampled_from([b"\n", b"\r\n"]))
jsonl = st.builds(
    lambda lines, last: b"".join(lines) + last, st.lists(ended, max_size=12), st.one_of(st.just(b""), json_line)
)


@given(jsonl, st.integers(1, 60))
@settings(max_examples=300, deadline=None)
def test_a_line_belongs_to_the_piece_in_which_it_begins(data: bytes, piece_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(data)
        source = Source(path=str(path))
        found = find_pieces([source], piece_bytes).pieces
        assert len(found) == max(1, round(len(data) / piece_bytes))
        assert sum(piece.size for piece in found) == len(data)
        assert in_pieces(found) == whole(source)


@given(st.lists(st.one_of(st.none(), texts), max_size=30), st.integers(1, 7), st.integers(1, 400))
@settings(max_examples=100, deadline=None)
def test_parquet_is_split_by_row_groups(column: list[str | None], group: int, piece_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "a.parquet")
        table = pa.table({"text": pa.array(column, pa.string()), "other": list(range(len(column)))})
        parquet.write_table(table, path, row_group_size=group)
        source = Source(path=path)
        assert in_pieces(find_pieces([source], piece_bytes).pieces) == whole(source)


@pytest.mark.parametrize("group", [100, 700])
def test_rows_are_numbered_across_batches_and_row_groups(group: int) -> None:
    texts = [f"text {i}" for i in range(1, 701)]
    parquet.write_table(pa.table({"text": texts}), "a.parquet", row_group_size=group)
    expected = [(f"a.parquet:{i}", text) for i, text in enumerate(texts, start=1)]
    assert in_pieces(find_pieces([Source(path="a.parquet")], 1_000).pieces)[0] == expected
    assert whole(Source(path="a.parquet"))[0] == expected


def test_a_corpus_is_split_into_pieces_in_order() -> None:
    for name, data in {"d/a.jsonl": numbered(100), "d/b.md": b"b", "d/c.png": b"c"}.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(data)
    Path("d/d.json.gz").write_bytes(gzip.compress(numbered(100)))
    sources = [Source(path="d"), Source(path="d/a.jsonl"), Source(path="bundled:python-docs", limit=3)]
    corpus = find_pieces(sources, 500)
    assert corpus.other_files == 1
    kinds = [(piece.kind, piece.place) for piece in corpus.pieces]
    assert kinds == [
        *[("jsonl", "d/a.jsonl")] * 4,
        ("text", "d/b.md"),
        ("jsonl", "d/d.json.gz"),
        *[("jsonl", "d/a.jsonl")] * 4,
        ("bundled", "bundled:python-docs"),
    ]
    assert in_pieces(corpus.pieces[:-1]) == whole(*sources[:2])


def test_bundled_documents_and_text_files_have_keys() -> None:
    [piece] = find_pieces([Source(path="bundled:python-docs", limit=1)]).pieces
    documents = list(PieceReader(piece))
    assert len(documents) > 100  # the caller applies the limit
    assert all(document.number is None and document.key and "#" in document.key for document in documents)
    Path("a.txt").write_text("a")
    [piece] = find_pieces([Source(path="a.txt")]).pieces
    assert next(PieceReader(piece)).key == "a.txt"


def test_pieces_depend_only_on_the_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Path("a.jsonl").write_bytes(numbered(500))
    source = Source(path="a.jsonl")
    found = find_pieces([source], 1_000).pieces
    expected = in_pieces(found)
    monkeypatch.chdir("/")  # a worker may have another working directory
    assert in_pieces(found) == expected
    monkeypatch.chdir(tmp_path)
    assert find_pieces([source], 1_000).pieces == found
    assert all(900 < piece.size < 1_100 for piece in found)


@pytest.mark.parametrize("piece_bytes", [40, 10**9])
def test_an_error_gives_the_line_number_in_the_whole_file(piece_bytes: int) -> None:
    Path("a.jsonl").write_bytes(b"\n" + numbered(7) + b'{"text": \n' + numbered(3) + b'{"text": 3}\n')
    found = find_pieces([Source(path="a.jsonl", max_bad_rows=0)], piece_bytes).pieces
    assert len(found) > 3 or piece_bytes > 40
    failures = []
    for piece in found:
        try:
            list(PieceReader(piece))
        except CorpusError as failure:
            failures.append(str(failure))
    assert failures[0].startswith("a.jsonl:9: is not JSON")
    if piece_bytes == 40:
        assert failures[1].startswith("a.jsonl:13: `text` holds int")


def test_an_error_gives_the_row_number_in_the_whole_table() -> None:
    parquet.write_table(pa.table({"text": [b"x"] * 7, "n": list(range(7))}), "a.parquet", row_group_size=2)
    source = Source(path="a.parquet", text_field="text", max_bad_rows=0)
    for piece in find_pieces([source], 1).pieces[1:3]:
        with pytest.raises(CorpusError, match=f"a.parquet:{1 + 2 * piece.start}: `text` holds bytes"):
            list(PieceReader(piece))


def test_a_known_row_count_avoids_a_pass_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.jsonl").write_bytes(numbered(9) + b"[]\n")
    piece = find_pieces([Source(path="a.jsonl")], 100).pieces[-1]
    passes: list[Any] = []
    count = pieces.lines_before
    monkeypatch.setattr(pieces, "lines_before", lambda part: passes.append(part) or count(part))
    rows_before = count(pieces.FilePart("a.jsonl", "", piece.start, None))
    counted, known = PieceReader(piece), PieceReader(piece, before=rows_before)
    for reader in (counted, known):
        with pytest.raises(CorpusError, match=r"a\.jsonl:10: is list"):
            list(reader)
    assert len(passes) == 1


def test_only_large_parquet_files_are_opened_to_find_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    parquet.write_table(pa.table({"text": ["x"] * 10}), "small.parquet")
    noise = [bytes([i % 256, i // 256]).hex() * 50 for i in range(5_000)]
    parquet.write_table(pa.table({"text": noise, "n": list(range(5_000))}), "large.parquet", row_group_size=500)
    opened: list[str] = []
    original = parquet.ParquetFile.__init__

    def spy(self: Any, source: Any, *args: Any, **options: Any) -> None:
        opened.append(Path(source).name)
        original(self, source, *args, **options)

    monkeypatch.setattr(parquet.ParquetFile, "__init__", spy)
    found = find_pieces([Source(path="*.parquet")], 20_000).pieces
    assert opened == ["large.parquet"]
    assert [piece.path for piece in found].count("small.parquet") == 1
    assert len(found) > 3
    assert found[0].size < Path("large.parquet").stat().st_size / 2
    assert [found[0].start, found[-2].stop] == [0, 10]


@pytest.mark.parametrize("ending", ["jsonl", "json.gz", "parquet", "txt"])
def test_the_shards_of_a_dataset_give_the_whole_dataset(ending: str) -> None:
    Path("d").mkdir()
    for i in range(5):
        rows = [{"text": f"{i} {k}"} for k in range(i % 3 + 1)] + [{"text": ""}]
        file = Path(f"d/train-{i:05d}-of-00005.{ending}")
        match ending:
            case "parquet":
                parquet.write_table(pa.Table.from_pylist(rows), file, row_group_size=1)
            case "txt":
                file.write_text("\n".join(row["text"] for row in rows) + "\n")
            case _:
                file.write_bytes(gzip.compress(lines(*rows)) if ending.endswith("gz") else lines(*rows))
    source = Source(path="d", format="hf")
    found = find_pieces([source]).pieces
    assert [piece.start for piece in found] == [0, 1, 2, 3, 4]
    assert {piece.place for piece in found} == {"d/train"}
    documents, empty = in_pieces(found)
    assert (documents, empty) == whole(source)
    assert [text for _, text in documents] == [f"{i} {k}" for i in range(5) for k in range(i % 3 + 1)]
    assert documents[1][0] == "d/train:3"


def test_an_error_in_a_shard_names_the_shard() -> None:
    Path("d").mkdir()
    for i in range(2):
        parquet.write_table(pa.table({"text": [["no text"]]}), f"d/train-{i}.parquet")
    second = find_pieces([Source(path="d", format="hf", max_bad_rows=0)]).pieces[1]
    with pytest.raises(CorpusError, match="d/train: row 1 of shard 2: `text` holds list"):
        list(PieceReader(second))
    with pytest.raises(CorpusError, match="d/train:8: `text` holds list"):
        list(PieceReader(second, before=7))


def test_a_saved_dataset_is_split_by_rows() -> None:
    import datasets

    rows = datasets.Dataset.from_dict({"text": [None if i == 5 else f"text {i}" for i in range(100)] + [""]})
    rows.save_to_disk("saved")
    source = Source(path="saved")
    found = find_pieces([source], 100).pieces
    assert len(found) > 5
    assert in_pieces(found) == whole(source)
    with pytest.raises(CorpusError, match="saved/train: has no field `body`"):
        list(PieceReader(find_pieces([Source(path="saved", text_field="body")], 100).pieces[3]))


def test_finding_pieces_does_not_open_small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("d").mkdir()
    for i in range(300):
        Path(f"d/{i:03d}.txt").write_text("x" * i)

    def refuse(*_: Any) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(pieces, "whole_text", refuse)
    found = find_pieces([Source(path="d")]).pieces
    assert [(piece.path, piece.size) for piece in found[:2]] == [("d/000.txt", 0), ("d/001.txt", 1)]
    assert len(found) == 300
