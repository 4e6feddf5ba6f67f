import json

import pytest

from in2_plugin.errors import ReportError
from in2_plugin.reporting.position.judged import judged_curve
from in2_plugin.reporting.position.section import position_sections
from tests.support import position_results as made


def judge(result, verdict):
    path = result.file.with_name(f"judged_{result.name}_{made.DATE}.jsonl")
    rows = [
        {"question": one.question, "length": one.length, "depth": one.depth, "verdict": verdict(one),
         "contained": one.score == 1.0, "judge": "gpt"}
        for one in result.position.answers
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_curve_and_the_agreement_of_a_judge(compared):
    comparison = compared(m=made.only_ends)
    result = comparison.models[0].tasks["litm_qa"]
    assert judged_curve(result) is None
    judge(result, lambda one: None if one.question == 0 else one.depth < 5)
    found = judged_curve(result)
    assert found.curve.spans == (1.0,) * 5 + (0.0,) * 5
    assert (found.judge, found.agreement.answers, found.agreement.agreement) == ("gpt", 390, pytest.approx(0.5))
    assert position_sections(comparison)[0].models[0].judged == found


def test_damaged_verdicts_name_the_row(compared):
    result = compared(m=made.only_ends).models[0].tasks["litm_qa"]
    judge(result, lambda one: True).write_text("{}\n")
    with pytest.raises(ReportError, match="row 1"):
        judged_curve(result)


def test_questions_with_several_golds_are_not_part_of_the_curve(compared):
    result = compared(m={"answers": made.only_ends, "integration": 20}).models[0].tasks["litm_qa"]
    judge(result, lambda one: one.kind == "fine_grained")
    found = judged_curve(result)
    assert found.curve.spans == (1.0,) * 10
    assert found.agreement.answers == 400
