import pytest

from in2_plugin.probing.probes.registry import POSITION_PROBES
from tests.support.invented_position_probe import SHELVES


@pytest.fixture
def shelves():
    """Register the invented position probe for one test."""
    POSITION_PROBES.register(SHELVES)
    yield SHELVES
    POSITION_PROBES.unregister("shelves")
