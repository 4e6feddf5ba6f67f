"""Make data in the schema of VaLProbing-32K on the hub, with invented short items: any number of sets and positions.

In set 0 of every probe, the items at positions 2 and 5 share the quoted part.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from in2_plugin.probing.probes.probe import Item
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.probes.templates import TEMPLATES
from in2_plugin.probing.scoring.published import SETS

TWINS = (2, 5)


def item(name: str, set_index: int, position: int) -> Item:
    word = f"{set_index}x{TWINS[0] if set_index == 0 and position in TWINS else position}"
    if name == "document":
        return Item(f"The tale {word} ends.", f"tale {word} ends", (f"The tale {word} ends.",))
    if name == "code":
        own = f"f_{set_index}_{position}_"
        return Item(f"def {own}:\n    a = 1\n    b({word})\n    c = 2", f"b({word})", (own,))
    gold = (f"label {word}", f"thing {word}")
    return Item(f"<id: Q{word}, label: {gold[0]}, description: {gold[1]}>", f"Q{word}", gold)


def rows(name: str, sets: int = SETS, positions: int | None = None) -> list[dict]:
    """Return all rows as the hub has them, with every field; the published counts by default."""
    probe, found = PROBES[name], []
    assert probe.paper is not None
    for index in range(sets):
        items = [item(name, index, position) for position in range(positions or probe.paper.n_positions)]
        context = "\n".join(one.text for one in items)
        for position, one in enumerate(items):
            row = {"prompt": TEMPLATES["film"].prompt(context, probe.ask(one))}
            row |= {"completion": " ", "label": " ", "description": " "}
            row |= dict(zip(probe.gold_fields, one.gold, strict=True))
            found.append({**row, "position_id": position, "set_id": index})
    return found


def split(name: str) -> str:
    """Return the split of the released dataset."""
    facts = PROBES[name].paper
    assert facts is not None
    return facts.split


def save_lines(path: Path, found: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return path


def as_downloaded(folder: Path, name: str, found: list[dict]) -> Path:
    """Write the rows like the authors' download script: one file per split, without unused fields."""
    used = [{key: value for key, value in row.items() if value != " "} for row in found]
    return save_lines(folder / f"{split(name)}.jsonl", used)


def as_on_the_hub(folder: Path, name: str, found: list[dict], shards: int = 2) -> None:
    """Write the rows in Parquet shards below `data`."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    table, each = pa.Table.from_pylist(found), -(-len(found) // shards)
    for index in range(shards):
        file = f"{split(name)}-{index:05d}-of-{shards:05d}.parquet"
        pq.write_table(table.slice(index * each, each), folder / "data" / file)
