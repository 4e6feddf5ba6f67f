import json

import numpy as np
import pytest

from in2_plugin.inspection.doctor.run import examine
from tests.support import damages
from tests.support.damages import example, integers, put, turn
from tests.support.findings import assert_finding


def other_template_ids(folder):
    """Store other token ids for the template, as if added tokens of the tokenizer had changed places since."""
    file = folder / "plans/facts.json"
    facts = json.loads(file.read_text())
    facts["heads"][0]["ids"][0] += 1
    file.write_text(json.dumps(facts))


DAMAGES = [
    (other_template_ids, "rendering", "the chat template has other token ids"),
    (example(n_tokens=lambda row: row["n_tokens"] - 1), "rendering", "another length than planned"),
    (
        turn(gold=lambda row: [{**s, "stop": s["stop"] - 1} for s in row["gold"]]),
        "rendering",
        "golds elsewhere than planned",
    ),
    (damages.other_id, "rendering", "other ids than their text"),
    (
        integers("../plans/tails.bin", put(0, 9), np.uint16),
        "rendering",
        "differ from the rendered example",
    ),
]


@pytest.mark.parametrize(("damage", "check", "message"), DAMAGES)
def test_damage_is_found(folder, damage, check, message):
    damage(folder)
    assert_finding(folder, check, message)


def test_the_check_is_skipped_without_its_tokenizer(unrendered):
    examination = examine(unrendered)
    assert examination.is_sound
    ((name, reason),) = examination.skipped
    assert name == "rendering"
    assert "no such folder" in reason
