"""Score the outputs that the paper's authors released on the database probe: a check of ours against the printed table.

    git clone https://github.com/microsoft/FILM
    python scripts/score_released_outputs.py FILM

The contexts are a dataset of their own, but the golds follow from the outputs: an answer repeats the id that was asked
for, and every entity is in the released pieces. Row i of an output belongs to set i // 750, position i % 750. Scored as
published this gives the paper's row to the last digit. `--gold FILE` keeps the golds, for `in2 val score`.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from in2_plugin.probing.offline.answers import Answer, pair, read_answers
from in2_plugin.probing.offline.gold import GoldRow, gold_fields
from in2_plugin.probing.offline.scoring import score_answers
from in2_plugin.probing.probes.items import read_pieces
from in2_plugin.probing.probes.kinds import KINDS, Piece

KIND = KINDS["database"]
PRINTED = {
    "FILM-7B": (89.0, 16.8),
    "Mistral-7B-Instruct-v0.2": (47.5, 77.0),
    "gpt4-turbo": (89.6, 18.0),
}
"""Avg and Gap of the paper's Table 1."""
POSITIONS = 750


def recover(entities: dict[str, Piece], outputs: Iterable[list[Answer]]) -> list[Piece]:
    """The entity that each row asks for: the known id that most models name."""
    found = []
    for row, answers in enumerate(zip(*outputs, strict=True)):
        named = Counter(word for answer in answers for word in re.findall(r"[QP]\d+", answer.text) if word in entities)
        if not named:
            sys.exit(f"row {row + 1}: no model names a known id; are these the released outputs?")
        found.append(entities[named.most_common(1)[0][0]])
    return found


def save(path: Path, pieces: Iterable[Piece]) -> None:
    """Gold rows for `in2 val score --task database`."""
    with path.open("w", encoding="utf-8") as file:
        for row, piece in enumerate(pieces):
            places = {"set_id": row // POSITIONS, "position_id": row % POSITIONS, "query": piece.query}
            file.write(json.dumps({**places, **gold_fields(KIND.name, piece.gold)}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path, help="of microsoft/FILM")
    parser.add_argument("--gold", type=Path, help="file to write")
    arguments = parser.parse_args()
    probing = arguments.clone / "VaLProbing"
    # pieces that were never drawn are left out by read_pieces already
    entities = {piece.query: piece for piece in read_pieces(KIND, probing / "pieces")}
    results = probing / "VaLProbing-32K/results"
    outputs = {name: read_answers([results / name / "sample_database_forward_32k.jsonl"]) for name in PRINTED}
    pieces = recover(entities, outputs.values())
    if arguments.gold:
        save(arguments.gold, pieces)
    gold = [
        GoldRow(None, row // POSITIONS, row % POSITIONS, POSITIONS, piece.gold, False)
        for row, piece in enumerate(pieces)
    ]
    print("| model | Avg | Gap | printed | all 50 positions: Avg | Gap |\n|---|---|---|---|---|---|")
    for name, answers in outputs.items():
        curves = [
            score_answers(KIND, pair(gold, answers), np.random.default_rng(0), match_paper=published).curve
            for published in (True, False)
        ]
        avg, gap, avg_all, gap_all = (f"{100 * one:.2f}" for curve in curves for one in (curve.avg, curve.gap))
        print(f"| {name} | {avg} | {gap} | {' / '.join(map(str, PRINTED[name]))} | {avg_all} | {gap_all} |")


if __name__ == "__main__":
    main()
