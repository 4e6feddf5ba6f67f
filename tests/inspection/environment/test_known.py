import pytest

from in2_plugin.inspection.environment.known import known_limits


@pytest.mark.parametrize(
    ("python", "said"),
    [("3.11.7", "axolotl 0.20 and newer need Python 3.12"), ("3.12.1", None), ("3.13.0", "zstandard==0.22.0")],
)
def test_axolotl_is_limited_by_python(python, said):
    found = " ".join(known_limits(python))
    assert said in found if said else not found
