import json

from in2_plugin.reporting.position.json_part import position_json
from tests.support import position_results as made


def test_sections_models_verdicts_and_differences_are_json(compared):
    value = json.loads(json.dumps(position_json(compared(before=made.only_ends, after=made.reader))))
    assert set(value) == {"warnings", "notes", "models", "verdicts", "differences", "sections"}
    assert value["verdicts"][0]["verdict"] == "improved"
    assert value["differences"][0]["same_questions"] is True
    assert len(value["sections"][0]["found"][0]["pairs"]) == 5
