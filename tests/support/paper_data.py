"""Data in the schema of the hub's VaLProbing-32K, with invented items: any number of sets and positions, short texts.

In set 0 of every kind, the items at positions 2 and 5 share what the question quotes.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin.probing.probes.build import ask
from in2_plugin.probing.probes.kinds import KINDS, Piece
from in2_plugin.probing.probes.templates import TEMPLATES
from in2_plugin.probing.published.files import GOLD_FIELDS, SPLITS
from in2_plugin.probing.scoring.published import POSITIONS, SETS

TWINS = (2, 5)


def item(kind_name: str, set_index: int, position: int) -> Piece:
    name = f"{set_index}x{TWINS[0] if set_index == 0 and position in TWINS else position}"
    if kind_name == "document":
        return Piece(f"The tale {name} ends.", f"tale {name} ends", (f"The tale {name} ends.",))
    if kind_name == "code":
        own = f"f_{set_index}_{position}_"
        return Piece(f"def {own}:\n    a = 1\n    b({name})\n    c = 2", f"b({name})", (own,))
    gold = (f"label {name}", f"thing {name}")
    return Piece(f"<id: Q{name}, label: {gold[0]}, description: {gold[1]}>", f"Q{name}", gold)


def rows(kind_name: str, sets: int = SETS, positions: int | None = None) -> list[dict]:
    """All rows as the hub has them, every field in each; the published counts by default."""
    kind, found = KINDS[kind_name], []
    for index in range(sets):
        pieces = [item(kind_name, index, position) for position in range(positions or POSITIONS[kind_name])]
        context = "\n".join(piece.text for piece in pieces)
        for position, piece in enumerate(pieces):
            row = {"prompt": TEMPLATES["film"].prompt(context, ask(kind, piece))}
            row |= {"completion": " ", "label": " ", "description": " "}
            row |= dict(zip(GOLD_FIELDS[kind_name], piece.gold, strict=True))
            found.append({**row, "position_id": position, "set_id": index})
    return found


def save_lines(path: Path, found: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return path


def as_downloaded(folder: Path, kind_name: str, found: list[dict]) -> Path:
    """As the authors' download script writes them: a file a split, unused fields dropped."""
    used = [{key: value for key, value in row.items() if value != " "} for row in found]
    return save_lines(folder / f"{SPLITS[kind_name]}.jsonl", used)


def as_on_the_hub(folder: Path, kind_name: str, found: list[dict], shards: int = 2) -> None:
    """In Parquet shards below `data`."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    table, each = pa.Table.from_pylist(found), -(-len(found) // shards)
    for index in range(shards):
        name = f"{SPLITS[kind_name]}-{index:05d}-of-{shards:05d}.parquet"
        pq.write_table(table.slice(index * each, each), folder / "data" / name)
