import pytest

from tests.support.broken_datasets import BROKEN, assert_audit_fails


@pytest.mark.parametrize("name", BROKEN["counts"])
def test_a_faulty_count_fails_its_figure(copy, mistral, name):
    assert_audit_fails(copy, mistral, "counts", name)
