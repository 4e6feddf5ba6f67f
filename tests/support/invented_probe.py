"""A fourth probe, invented for tests: numbered cards, asked for by their number."""

import json
from pathlib import Path

from in2_plugin.probing.probes.probe import Item, Probe


def _card(row: dict) -> Item:
    return Item(f"Card {row['number']} shows {row['picture']}.", str(row["number"]), (row["picture"],))


def _exact(gold: tuple[str, ...], answer: str) -> float:
    return float(gold[0] in answer)


CARDS = Probe(
    name="cards",
    title="Cards",
    file="cards.jsonl",
    spans=8,
    parse_item=_card,
    question="Which picture is on card {}?",
    score=_exact,
    marker="Card {} shows",
)


def save_items(folder: Path, n: int = 300) -> Path:
    """Write the items of the probe as a folder for `probe_pieces`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"number": 1_000 + index, "picture": f"picture-{index * 7919 % 10_007}"} for index in range(n)]
    (folder / CARDS.file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
