"""Results folders with the paper's curves: Mistral before, FILM after."""

import pytest

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.read_results import read_models
from tests.support import lm_eval_results as made


@pytest.fixture
def before(tmp_path):
    made.write(tmp_path / "before", made.content("mistralai/Mistral-7B-Instruct-v0.2", made.paper_spans("Mistral")))
    return tmp_path / "before"


@pytest.fixture
def after(tmp_path):
    made.write(tmp_path / "after", made.content("out/film", made.paper_spans("FILM")))
    return tmp_path / "after"


@pytest.fixture
def models(before, after):
    return read_models([before, after], ["Base", "FILM"])


@pytest.fixture
def comparison(models):
    return compare(models)


@pytest.fixture(scope="session")
def rich_folder(tmp_path_factory):
    """Write results of two models with single scores: three lengths, closed book, the matrix, the authors' data."""
    folder = tmp_path_factory.mktemp("rich")
    for seed, name in enumerate(("Mistral", "FILM")):
        made.write(folder / name, made.rich(f"org/{name}", made.paper_spans(name), seed))
    return folder


@pytest.fixture(scope="session")
def rich(rich_folder):
    return compare(read_models([rich_folder / "Mistral", rich_folder / "FILM"]))
