import pytest

from tests.support.broken_datasets import BROKEN, assert_audit_fails


@pytest.mark.parametrize("name", BROKEN["tally"])
def test_a_faulty_row_fails_its_figure(copy, mistral, name):
    assert_audit_fails(copy, mistral, "tally", name)
