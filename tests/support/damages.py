"""Ways to damage a dataset folder in one place. Each gives a function that takes the folder."""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin.corpus.store import SegmentStatus, SegmentStore
from in2_plugin.dataset.tables import EXAMPLES, QUESTIONS, read_rows, write_rows

Damage = Callable[[Path], object]


def rows(folder: Path, table: str, schema: pa.Schema, change: Callable) -> None:
    """Rewrite a table with what `change` makes of its rows, in place or as a new list."""
    path = folder / f"{table}.parquet"
    content = list(read_rows(path))
    write_rows(path, change(content) or content, schema)


def _row_three(changes: dict) -> Callable:
    def change(content: list[dict]) -> None:
        content[3] |= {name: value(content[3]) if callable(value) else value for name, value in changes.items()}

    return change


def question(**changes: object) -> Damage:
    """Change columns of question 3; a function is given the row."""
    return lambda folder: rows(folder, "questions", QUESTIONS, _row_three(changes))


def example(**changes: object) -> Damage:
    """Change columns of example 3; a function is given the row."""
    return lambda folder: rows(folder, "examples", EXAMPLES, _row_three(changes))


def turn(**changes: object) -> Damage:
    """Change the only turn of example 3; a function is given the turn."""

    def change(content: list[dict]) -> None:
        (said,) = content[3]["turns"]
        said |= {name: value(said) if callable(value) else value for name, value in changes.items()}

    return lambda folder: rows(folder, "examples", EXAMPLES, change)


def without_column(table: str, column: str) -> Damage:
    def change(folder: Path) -> None:
        path = folder / f"{table}.parquet"
        pq.write_table(pq.read_table(path).drop_columns([column]), path)

    return change


def remove(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def put(index: int, value: object) -> Callable:
    """Replace one value of a column."""
    return lambda values: values.__setitem__(index, value)


def text(name: str, old: str, new: str) -> Damage:
    def change(folder: Path) -> None:
        path = folder / name
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new, 1))

    return change


def keys(name: str, **changes: object) -> Damage:
    """Change keys of a JSON file."""

    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | changes))

    return change


def whole(name: str, content: str) -> Damage:
    return lambda folder: (folder / name).write_text(content)


def cut(name: str, to: float) -> Damage:
    return lambda folder: os.truncate(folder / name, int((folder / name).stat().st_size * to))


def overwrite(name: str, at: int, content: bytes) -> Damage:
    def change(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.seek(at)
            file.write(content)

    return change


def sql(statement: str) -> Damage:
    def change(folder: Path) -> None:
        with closing(sqlite3.connect(folder / "work.sqlite")) as connection:
            connection.execute(statement)
            connection.commit()

    return change


def arrow(name: str, column: str, change: Callable[[list], object]) -> Damage:
    """Rewrite one column of a table of the store."""

    def damage(folder: Path) -> None:
        path = folder / "segments" / f"{name}.arrow"
        # into memory first: the file is mapped
        table = pa.ipc.open_file(pa.py_buffer(path.read_bytes())).read_all()
        values = table[column].to_pylist()
        change(values)
        at = table.schema.get_field_index(column)
        field = table.schema.field(at)
        table = table.set_column(at, field, pa.array(values, field.type))
        with pa.ipc.new_file(path, table.schema) as file:
            file.write_table(table)

    return damage


def arrow_offset(folder: Path) -> None:
    """Let a text of the store begin far outside the file: reading it ends the process."""
    path = folder / "segments/segments.arrow"
    content = pa.py_buffer(path.read_bytes())
    (chunk, *_) = pa.ipc.open_file(content).read_all()["text"].chunks
    at = chunk.buffers()[1].address - content.address
    overwrite("segments/segments.arrow", at + 8 * 5, np.int64(2**60).tobytes())(folder)


def integers(name: str, change: Callable[[np.ndarray], object], dtype: type = np.int64) -> Damage:
    """Change a flat file of the store."""

    def damage(folder: Path) -> None:
        values = np.fromfile(folder / "segments" / name, dtype)
        change(values)
        values.tofile(folder / "segments" / name)

    return damage


def fillers(row: dict) -> list[int]:
    own = {i for turn in row["turns"] for i in turn["segment_ids"]}
    return [i for i in row["segment_ids"] if i not in own]


def first_fine_grained(folder: Path) -> dict:
    return next(row for row in read_rows(folder / "examples.parquet") if row["part"] == "fine_grained")


def leak(folder: Path) -> None:
    """Make a question quote what stands in a filler of its example."""
    row = first_fine_grained(folder)
    said = SegmentStore(folder / "segments").text(fillers(row)[0])[:20].upper()

    def change(content: list[dict]) -> None:
        for asked in content:
            if asked["question"] == row["turns"][0]["question"]:
                asked["exclusive"] = [said]

    rows(folder, "questions", QUESTIONS, change)


def unusable_filler(folder: Path) -> None:
    filler = fillers(first_fine_grained(folder))[0]
    spoil = lambda values: values.__setitem__(filler, int(SegmentStatus.SPELLS_SPECIAL_TOKEN))  # noqa: E731
    arrow("segments", "standing", spoil)(folder)
    integers("standing.bin", spoil, np.uint8)(folder)


def other_id(folder: Path) -> None:
    """Another token id in the first segment of an example."""
    store = SegmentStore(folder / "segments")
    segment = first_fine_grained(folder)["segment_ids"][0]
    at = int(store.n_tokens[:segment].sum())

    def change(ids: np.ndarray) -> None:
        ids[at] += 1

    integers("ids.bin", change, store.id_type.type)(folder)


def filler_of_its_document(folder: Path) -> None:
    store = SegmentStore(folder / "segments")

    def change(content: list[dict]) -> None:
        for row in content:
            (said,) = row["turns"]
            others = [i for i in store.segments_of(said["document"]) if i not in said["segment_ids"]]
            if others:
                row["segment_ids"] += others[:1]
                return

    rows(folder, "examples", EXAMPLES, change)


def spans_the_other_way_round(folder: Path) -> None:
    def change(content: list[dict]) -> None:
        said = next(row["turns"][0] for row in content if len(row["turns"][0]["gold"]) > 1)
        said["gold"] = said["gold"][::-1]

    rows(folder, "examples", EXAMPLES, change)
