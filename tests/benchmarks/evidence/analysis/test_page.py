"""The page of invented results: tables, verdicts, curves, rows, and never in docs/."""

import xml.etree.ElementTree as ET

import pytest

from benchmarks.evidence.analysis import page
from benchmarks.evidence.analysis.invented import invent_study
from benchmarks.evidence.analysis.panels import draw_curves
from benchmarks.evidence.analysis.scores import read_scores
from in2_plugin.errors import ConfigError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("invented") / "study"
    dips = {"start": 30, "short": 30, "edges": 30, "middle": 0, "uniform": 0}
    invent_study(folder, dips, questions=60, seeds=2, seed=0)
    return folder


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory):
    """The folder of the page."""
    return page.write_page(folder, tmp_path_factory.mktemp("written") / "out").parent


def test_the_page_has_verdicts_tables_and_where_it_is_from(written):
    text = (written / "README.md").read_text()
    assert "**Invented results.**" in text
    assert "| H3 | this is due to the depths" in text and "**supported**" in text
    assert "| task | tokens | start | short | edges | middle | uniform |" in text
    assert "| dip | " in text and "## Losses" in text and "## Cost" in text
    assert "Incomplete: start (seeds 0, 1)" in text
    assert "The claim, which is H2, H3 and H4 together: **" in text
    assert "nan" not in text


def test_the_rows_go_beside_the_page_and_give_it_again(written, tmp_path):
    again = page.write_page(written / "rows", tmp_path / "again")
    assert again.read_text() == (written / "README.md").read_text()
    assert (tmp_path / "again/curves.svg").read_bytes() == (written / "curves.svg").read_bytes()


def test_large_rows_stay_out(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "MOST_BYTES", 1_000)
    monkeypatch.setattr(page, "draw_curves", lambda scores, tasks: "<svg/>")
    text = page.write_page(folder, tmp_path / "out").read_text()
    assert "are not in the repository" in text and not (tmp_path / "out/rows").exists()


@pytest.mark.parametrize("output", [None, page.DOCS / "evidence/try"])
def test_invented_rows_never_go_into_the_docs(folder, output):
    with pytest.raises(ConfigError, match="has invented rows, which do not go into"):
        page.write_page(folder, output)


def test_the_curves_have_a_panel_per_task(folder):
    tasks = [("in2_probe_context", 4_096), ("litm_kv", 4_096)]
    svg = draw_curves(read_scores(folder), tasks)
    text = " ".join(ET.fromstring(svg).itertext())
    assert all(f"{name}, {length:,} tokens" in text for name, length in tasks) and "uniform" in text


def test_the_first_study_writes_into_a_new_folder_only(folder):
    with pytest.raises(ConfigError, match="has rows already"):
        invent_study(folder, {"start": 0}, 5, 1, 0)
