"""Make the bundled items of the VAL probes: `python scripts/make_probe_items.py [FOLDER]`.

The grammars in scripts/probe_items/ invent all items, so no model can know an answer and no licence but ours applies.
The same seed gives the same rows. The default folder is the package's own. Cost: about 10 s.
"""

import gzip
import json
import random
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from probe_items.entities import entities
from probe_items.functions import functions
from probe_items.sentences import sentences

SEED = 2404_16811
ROWS = 5_000
"""Rows per probe: three times as many as fit in 32K tokens, so that sets overlap little."""
DRAWN = {"sentences": 5_100, "functions": 7_000}
"""Rows drawn per grammar, so that more than 5,000 have a quoted part that occurs nowhere else."""
DATA = Path(__file__).parents[1] / "in2_plugin/probing/data"

Rows = list[dict[str, str]]


def make_items() -> dict[str, Rows]:
    """Return the rows of every file by name. Each probe has its own generator, so it can change without the others."""
    found = {
        "document_sentences.jsonl": asked_once(draw(sentences, DRAWN["sentences"]), lambda row: row["sentence"]),
        "code_functions.jsonl": asked_once(
            draw(functions, DRAWN["functions"]), lambda row: f"def {row['function_name']}:\n{row['function_define']}"
        ),
        "database_entities.jsonl": draw(entities, ROWS),
    }
    return {name: rows[:ROWS] for name, rows in found.items()}


def draw(grammar: Callable[[random.Random], Iterator[dict[str, str]]], n: int) -> Rows:
    """Return the first `n` rows of a grammar, drawn with a generator seeded by its name."""
    return list(islice(grammar(random.Random(f"{grammar.__name__} {SEED}")), n))


def asked_once(rows: Rows, text: Callable[[dict[str, str]], str]) -> Rows:
    """Return the rows whose quoted part occurs only once in all texts."""
    everything = "\n".join(map(text, rows))
    return [row for row in rows if everything.count(row["piece"]) == 1]


def write_items(folder: Path) -> None:
    """Write gzip files without a timestamp, so that the same rows give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in make_items().items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path = folder / f"{name}.gz"
        path.write_bytes(gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0))
        print(f"{path}: {len(rows):,} rows, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    write_items(parser.parse_args().folder)
