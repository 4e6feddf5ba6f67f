"""Run the script that recovers golds from released outputs on a stand-in for a clone of microsoft/FILM."""

import json
import sys

from tests.support import paper_data
from tests.support.e2e_run import ROOT, run

MODELS = ("FILM-7B", "Mistral-7B-Instruct-v0.2", "gpt4-turbo")
ENTITIES = [{"id": f"Q{i}", "label": f"the label no{i}", "dcpt": f"a thing numbered{i} here"} for i in range(3_000)]


def answer(model: int, row: int) -> str:
    """Return an output: model 0 is always correct, model 1 never, model 2 except at the last of every fifty rows."""
    if model == 1 or (model == 2 and row % 750 % 50 == 49):
        return f"The id Q{row} is not there."
    return f"For Q{row} it is the label no{row}."


def test_golds_are_recovered_and_scored_both_ways(tmp_path):
    paper_data.save_lines(tmp_path / "FILM/VaLProbing/pieces/database_entities.jsonl", ENTITIES)
    results = tmp_path / "FILM/VaLProbing/VaLProbing-32K/results"
    for index, model in enumerate(MODELS):
        rows = [
            {"sample": answer(index, row)} if index == 2 else {"samples": [answer(index, row)]} for row in range(3_000)
        ]
        paper_data.save_lines(results / model / "sample_database_forward_32k.jsonl", rows)
    script = ROOT / "scripts/score_released_outputs.py"
    printed = run(sys.executable, script, "FILM", "--gold", "gold.jsonl", cwd=tmp_path).splitlines()
    assert [line.split(" | ")[1:3] + line.split(" | ")[4:] for line in printed[-3:]] == [
        ["100.00", "0.00", "100.00", "0.00 |"],
        ["0.00", "0.00", "0.00", "0.00 |"],
        ["100.00", "0.00", "98.00", "0.00 |"],
    ]
    last = json.loads((tmp_path / "gold.jsonl").read_text().splitlines()[-1])
    assert (last["set_id"], last["position_id"], last["label"]) == (3, 749, "the label no2999")


def test_outputs_without_known_ids_are_an_error(tmp_path):
    paper_data.save_lines(tmp_path / "FILM/VaLProbing/pieces/database_entities.jsonl", ENTITIES)
    for model in MODELS:
        file = tmp_path / "FILM/VaLProbing/VaLProbing-32K/results" / model / "sample_database_forward_32k.jsonl"
        paper_data.save_lines(file, [{"sample": answer(0, 0)}, {"sample": "no id"}])
    printed = run(sys.executable, ROOT / "scripts/score_released_outputs.py", "FILM", cwd=tmp_path, ok=False)
    assert printed.strip() == "row 2: no output has a known id; are these the released outputs?"
