import numpy as np
import pytest

from tests.support.damages import cut, example, integers, put, remove, text
from tests.support.findings import assert_finding

DAMAGES = [
    (example(n_tokens=600), "plans", "do not belong to this examples.parquet"),
    (cut("plans/lengths.bin", 0.5), "plans", "lengths.bin: is missing or damaged"),
    (cut("plans/examples.bin", 0.9), "plans", "examples.bin: is missing or damaged"),
    (remove("plans/openings.bin"), "plans", "openings.bin: is missing or damaged"),
    (text("plans/facts.json", '"made_of"', '"of"'), "plans", "key 'made_of' is missing"),
    (integers("../plans/lengths.bin", put(3, 7), np.uint32), "plans", "example 3 length or part differs"),
    (integers("../plans/segments.bin", put(0, 7), np.uint32), "plans", "example 0 segments differ"),
    (integers("../plans/answers.bin", put(1, 7), np.uint32), "plans", "example 0 answers differ"),
    (integers("../plans/openings.bin", put(2, 700), np.uint32), "plans", "example 2 an opening is longer than its"),
]


@pytest.mark.parametrize(("damage", "check", "message"), DAMAGES)
def test_damage_is_found(unrendered, damage, check, message):
    damage(unrendered)
    assert_finding(unrendered, check, message)
