import pytest

from in2_plugin.inspection.figures import Audit, Faults, Figure, short


def test_a_figure_says_what_to_do_only_when_it_fails():
    good = Figure.at_most("length", 0.1, 0.2, "100 examples", "build again")
    bad = Figure.at_most("length", 0.3, 0.2, "100 examples", "build again")
    assert (good.passed, good.detail) == (True, "100 examples")
    assert (bad.passed, bad.detail) == (False, "100 examples; build again")
    assert bad.sentence() == "length is 0.3, bound 0.2 (100 examples; build again)"


def test_a_bound_is_kept_by_its_own_value_in_both_directions():
    assert Figure.at_most("n", 2, 2, "").passed
    assert Figure.at_least("n", 2, 2, "").passed
    assert not Figure.at_least("n", 1, 2, "").passed


def test_an_audit_passes_when_every_figure_does():
    good, bad = Figure.at_most("a", 0, 0, ""), Figure.at_most("b", 1, 0, "")
    assert Audit([good]).passed
    assert not Audit([good, bad]).passed
    assert Audit([good, bad]).failing == [bad]


def test_its_json_has_every_figure_in_order():
    said = Audit([Figure.at_most("b", 1, 2, "x"), Figure.at_most("a", 3, 2, "y")], {"examples": 4}).as_json()
    assert said == {
        "passed": False,
        "figures": [
            {"name": "b", "value": 1.0, "bound": 2.0, "passed": True, "detail": "x"},
            {"name": "a", "value": 3.0, "bound": 2.0, "passed": False, "detail": "y"},
        ],
        "data": {"examples": 4},
    }


def test_faults_keep_the_first_and_count_all():
    faults = Faults()
    faults.add(7, "one")
    faults.add(9, "two", times=3)
    figure = faults.figure("bad rows", "20 rows", "build again")
    assert (figure.value, figure.bound, figure.passed) == (4, 0, False)
    assert figure.detail == "the first in examples.parquet, row 7: one; build again"


def test_no_fault_says_what_was_looked_at():
    figure = Faults().figure("bad rows", "20 rows", "build again")
    assert figure.passed
    assert figure.detail == "20 rows"


@pytest.mark.parametrize(
    ("number", "said"), [(0.0, "0"), (12_345.0, "12,345"), (0.012345, "0.0123"), (1e-9, "1e-09"), (66.51, "66.5")]
)
def test_numbers_are_short(number, said):
    assert short(number) == said
