import pytest

from in2_plugin.dataset.tables import EXAMPLES
from tests.support import damages
from tests.support.damages import example, overwrite, rows, turn
from tests.support.findings import assert_finding

DAMAGES = [
    (overwrite("examples.parquet", 200, b"\xff" * 2_000), "examples", "cannot be read"),
    (example(n_tokens=511), "examples", "shorter or longer"),
    (turn(question="Who?"), "examples", "not in questions.parquet"),
    (turn(answer="Something else entirely."), "examples", "not in questions.parquet"),
    (example(turns=None), "examples", "row 3 `turns` is missing"),
    (example(turns=[]), "examples", "has no turns"),
    (turn(answer=None), "examples", "row 3 `answer` is missing"),
    (example(part="tale"), "examples", "unknown part `tale`"),
    (example(part="short_context"), "examples", "part differs from its question"),
    (lambda folder: rows(folder, "examples", EXAMPLES, lambda c: c[:-2]), "examples", "2 questions have no example"),
    (
        lambda folder: rows(folder, "examples", EXAMPLES, lambda c: [*c, c[3]]),
        "examples",
        "is the second example",
    ),
    (example(segment_ids=lambda row: [*row["segment_ids"], row["segment_ids"][0]]), "examples", "a segment twice"),
    (example(segment_ids=[4_000_000]), "examples", "does not exist"),
    (example(segment_ids=damages.fillers), "examples", "a segment of its question is missing"),
    (turn(document=lambda row: row["document"] + 1), "examples", "document differs from its question"),
    (damages.filler_of_its_document, "examples", "a filler comes from the document of its question"),
    (damages.unusable_filler, "examples", "a filler is not usable"),
    (damages.leak, "examples", "a filler contains the answer or a text that the question quotes"),
    (turn(gold=[]), "examples", "gold segments differ"),
    (turn(gold=lambda row: [{**s, "stop": 10**6} for s in row["gold"]]), "examples", "exceed the context"),
    (turn(gold=lambda row: [{**s, "stop": s["start"]} for s in row["gold"]]), "examples", "are empty"),
    (damages.spans_the_other_way_round, "examples", "out of order"),
    (damages.spans_the_other_way_round, "examples", "not in the order of its segments"),
    (turn(n_answer_tokens=0), "examples", "has no answer tokens"),
    (example(n_answer_tokens=1), "examples", "number of answer tokens differs"),
]


@pytest.mark.parametrize(("damage", "check", "message"), DAMAGES)
def test_damage_is_found(unrendered, damage, check, message):
    damage(unrendered)
    assert_finding(unrendered, check, message)
