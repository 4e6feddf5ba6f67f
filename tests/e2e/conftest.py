"""A tiny model and a small dataset, made by the same commands that a user types."""

import sys
from pathlib import Path

import pytest
from e2e_run import SMOKE, run


@pytest.fixture(scope="session")
def workshop(tmp_path_factory) -> Path:
    """A folder with `model/`, `build.yml` and the finished dataset `data/in2`."""
    folder = tmp_path_factory.mktemp("workshop")
    run(sys.executable, SMOKE / "make_model.py", "model", "--no-warm-up", cwd=folder)
    (folder / "build.yml").write_text(
        "output: data/in2\ntokenizer: model\n"
        "corpus: {segment_tokens: 32, sources: [{path: 'bundled:python-docs', limit: 300}]}\n"
        "mixture: {fine_grained: 40, integration: 8, short_context: 8}\nlengths: {min: 192, max: 512}\n"
    )
    run("in2", "build", "build.yml", cwd=folder)
    return folder
