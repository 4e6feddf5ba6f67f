"""Invented documents with one fact each, and questions about them, for probes of a user's own text."""

import json
from pathlib import Path

from in2_plugin.config.probe import ProbeConfig
from in2_plugin.probing.own_text.build import build_own_probe

WORDS = ["harbour", "lantern", "ledger", "orchard", "furnace", "violin", "glacier", "saddle", "compass", "beacon"]
N_DOCUMENTS = 30


def fact(number: int) -> str:
    """Return the sentence that only one document has."""
    return f"The keeper of station {number:02} is called {_name(number)}."


def document(number: int) -> str:
    """Return a document of about 700 tokens; a fifth of them mention a lighthouse."""
    lines = []
    for i in range(24):
        word, other = WORDS[(number + i) % 10], WORDS[(3 * number + 7 * i) % 10]
        lines.append(
            f"On day {100 * number + i} the {word} near the {other} of town {number * 31 + i} was repaired again."
        )
        if i == 8:
            lines.append(fact(number))
        if i == 20:
            lines.append(f"Station {number:02} was founded in the year {1500 + number}.")
        if i == 12 and number % 5 == 0:
            lines.append(f"A lighthouse was painted in {2000 + number}.")
    return "\n\n".join([*lines, "Every note ends with this line."])


def write_documents(folder: Path) -> None:
    """Write all documents."""
    folder.mkdir()
    for number in range(N_DOCUMENTS):
        (folder / f"note-{number:02}.md").write_text(document(number))


def _name(number: int) -> str:
    return f"{'BCDFGKLMNP'[number % 10]}{'aeiou'[number % 5]}r{'aeiou'[number // 10]}ndel"


GOOD = [
    *({"question": f"Who keeps station {i:02}?", "answer": _name(i), "evidence": fact(i)} for i in range(8)),
    {
        "question": "Who keeps station 09, and when was it founded?",
        "answers": [_name(9), "1509"],
        "evidence": [fact(9), "Station 09 was founded in the year 1509."],
    },
]
"""Rows of a file of questions; the last one is an integration question."""


def build_probe(place: Path, tokenizer: Path) -> Path:
    """Build the probe of GOOD, at two lengths, in a new folder below `place`."""
    write_documents(place / "docs")
    (place / "q.jsonl").write_text("\n".join(map(json.dumps, GOOD)))
    values = {
        "output": str(place / "probe"), "tokenizer": str(tokenizer), "workers": 1, "lengths": [1_024, 2_048],
        "corpus": {"sources": [str(place / "docs")]}, "questions": {"file": str(place / "q.jsonl")},
    }  # fmt: skip
    return build_own_probe(ProbeConfig.parse(values, "test")).folder
