"""Invented files in the format of nelson-liu/lost-in-the-middle, qa_data: the questions are about ships."""

import gzip
import json
from pathlib import Path
from typing import Any

_SHIPS = ("Amble", "Brisk", "Civet", "Dorado", "Eider", "Fulmar", "Gannet", "Heron")
_PORTS = ("Alding", "Borrow", "Calder", "Dunmore", "Elsing", "Farrow", "Garth", "Holme")


def row(number: int, n_documents: int, gold_index: int) -> dict[str, Any]:
    """Return the row of one question with its gold document at an index."""
    ship, port = _SHIPS[number], _PORTS[number]
    gold = {
        "title": f"The {ship}",
        "text": f"The ferry {ship} was built in {port}. Later it was sold to the {port} Line.",
        "hasanswer": True,
        "isgold": True,
    }
    others: list[dict[str, Any]] = [
        {
            "id": str(1_000 * number + index),
            "title": f"Ferries ({index})",
            "text": f"Ferry number {index} of list {number} has {index + 2} funnels and no known harbour.",
            "score": f"1.{90 - index}",
            "hasanswer": False,
            "original_retrieval_index": index,
            "isgold": False,
        }
        for index in range(n_documents - 1)
    ]
    return {
        "question": f"where was the ferry {ship.lower()} built",
        "answers": [f"The {port} yard", port],
        "ctxs": [*others[:gold_index], gold, *others[gold_index:]],
        "nq_annotated_gold": {"title": gold["title"], "short_answers": [port]},
    }


def save(folder: Path, n_documents: int, gold_index: int, rows: list[Any] | None = None) -> Path:
    """Write the file of one number of documents and one index of the gold document, as the authors name it."""
    name = f"nq-open-{n_documents}_total_documents_gold_at_{gold_index}.jsonl.gz"
    file = folder / f"{n_documents}_total_documents" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    found = [row(number, n_documents, gold_index) for number in range(8)] if rows is None else rows
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(one) + "\n" for one in found)
    return file
