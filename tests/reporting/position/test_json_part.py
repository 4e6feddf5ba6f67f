import json

from in2_plugin.reporting.position.json_part import position_json
from in2_plugin.reporting.position.section import position_sections
from tests.support import position_results as made


def test_sections_models_verdicts_and_differences_are_json(compared):
    comparison = compared(before=made.only_ends, after=made.reader)
    value = json.loads(json.dumps(position_json(comparison, position_sections(comparison))))
    assert set(value) == {"warnings", "notes", "models", "verdicts", "differences", "sections"}
    assert (value["verdicts"][0]["verdict"], value["verdicts"][0]["about"]) == ("improved", "after")
    assert value["models"][0]["tasks"]["litm_qa"]["digest"] == "0123456789abcdef"
    assert value["differences"][0]["same_questions"] is True
    assert len(value["sections"][0]["found"][0]["pairs"]) == 3
