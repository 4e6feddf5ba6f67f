"""Models whose answers are scripted, on one position probe with its controls."""

import pytest

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.position.read import read_position_models
from in2_plugin.reporting.read_results import read_models
from tests.support import position_results as made


@pytest.fixture
def compared(tmp_path):
    """Write the results of models by label and return their comparison; values are answers or keyword arguments."""

    def write(**models):
        for label, settings in models.items():
            arguments = settings if isinstance(settings, dict) and "answers" in settings else {"answers": settings}
            made.write(tmp_path / label, f"org/{label}", **arguments)
        sources = [tmp_path / label for label in models]
        return compare(read_position_models(read_models(sources, list(models))))

    return write
