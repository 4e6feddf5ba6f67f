"""Single rows equal those read in order."""

import pickle

import pytest

from in2_plugin.dataset.example_rows import ExampleRows


def test_rows_in_any_order_equal_those_in_order(built, dataset):
    rows, expected = pickle.loads(pickle.dumps(ExampleRows(built))), list(dataset.rows())
    assert len(rows) == len(expected)
    for number in (len(expected) - 1, 0, 7):
        assert rows[number] == expected[number]
    for number in (-1, len(expected)):
        with pytest.raises(IndexError):
            rows[number]
