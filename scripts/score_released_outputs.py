"""Check our scoring against the paper's table, on the outputs that its authors released for the database probe.

    git clone https://github.com/microsoft/FILM
    python scripts/score_released_outputs.py FILM

The script recovers the golds from the outputs, without the contexts: an answer repeats the id of its question, and the
released items contain every entity. Row i of an output belongs to set i // 750, position i % 750. The published scoring
reproduces the paper's row to the last digit. `--gold FILE` saves the gold rows for `in2 val score`.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from in2_plugin.probing.offline.gold import GoldRow, gold_fields
from in2_plugin.probing.offline.predictions import Prediction, pair, read_predictions
from in2_plugin.probing.offline.scoring import score_predictions
from in2_plugin.probing.probes.builtin import DATABASE
from in2_plugin.probing.probes.items import read_items
from in2_plugin.probing.probes.probe import Item

PRINTED = {
    "FILM-7B": (89.0, 16.8),
    "Mistral-7B-Instruct-v0.2": (47.5, 77.0),
    "gpt4-turbo": (89.6, 18.0),
}
"""(Avg, Gap) in Table 1 of the paper."""
POSITIONS = 750


def recover(entities: dict[str, Item], outputs: Iterable[list[Prediction]]) -> list[Item]:
    """Return the entity that each row asks for: the known id that most models' outputs contain."""
    found = []
    for row, answers in enumerate(zip(*outputs, strict=True)):
        named = Counter(word for answer in answers for word in re.findall(r"[QP]\d+", answer.text) if word in entities)
        if not named:
            sys.exit(f"row {row + 1}: no output has a known id; are these the released outputs?")
        found.append(entities[named.most_common(1)[0][0]])
    return found


def save(path: Path, items: Iterable[Item]) -> None:
    """Write gold rows for `in2 val score --task database`."""
    with path.open("w", encoding="utf-8") as file:
        for row, item in enumerate(items):
            places = {"set_id": row // POSITIONS, "position_id": row % POSITIONS, "query": item.query}
            file.write(json.dumps({**places, **gold_fields(DATABASE, item.gold)}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path, help="clone of microsoft/FILM")
    parser.add_argument("--gold", type=Path, help="file for the gold rows")
    arguments = parser.parse_args()
    probing = arguments.clone / "VaLProbing"
    # read_items excludes entities that were never drawn
    entities = {item.query: item for item in read_items(DATABASE, probing / "pieces")}
    results = probing / "VaLProbing-32K/results"
    outputs = {name: read_predictions([results / name / "sample_database_forward_32k.jsonl"]) for name in PRINTED}
    items = recover(entities, outputs.values())
    if arguments.gold:
        save(arguments.gold, items)
    gold = [
        GoldRow(None, row // POSITIONS, row % POSITIONS, POSITIONS, item.gold, False) for row, item in enumerate(items)
    ]
    print("| model | Avg | Gap | printed | all 50 positions: Avg | Gap |\n|---|---|---|---|---|---|")
    for name, answers in outputs.items():
        curves = [
            score_predictions(DATABASE, pair(gold, answers), np.random.default_rng(0), match_paper=published).curve
            for published in (True, False)
        ]
        avg, gap, avg_all, gap_all = (f"{100 * one:.2f}" for curve in curves for one in (curve.avg, curve.gap))
        print(f"| {name} | {avg} | {gap} | {' / '.join(map(str, PRINTED[name]))} | {avg_all} | {gap_all} |")


if __name__ == "__main__":
    main()
