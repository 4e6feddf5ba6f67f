"""The paper's numbers are consistent: Table 1, the curves, the number of spans."""

import pytest

from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.reporting.paper_numbers import PAPER_CURVES, PAPER_ROWS, PAPER_TASKS

ROW_OF = {"Mistral, paper": "Mistral-7B-Instruct-v0.2", "FILM, paper": "FILM-7B"}
NUMBERS = {row.name: row.numbers for row in PAPER_ROWS}


@pytest.mark.parametrize("row", PAPER_ROWS, ids=lambda row: row.name)
def test_all_is_the_mean_of_the_three_probes(row):
    for part in (0, 1):
        mean = sum(row.numbers[task][part] for task in PAPER_TASKS) / 3
        # the inputs are rounded to 0.1
        assert row.numbers["all"][part] == pytest.approx(mean, abs=0.1)


@pytest.mark.parametrize("task", PAPER_TASKS)
@pytest.mark.parametrize("curve", ROW_OF)
def test_curves_match_the_averages_and_gaps_of_the_table(task, curve):
    values = PAPER_CURVES[task][curve]
    avg, gap = NUMBERS[ROW_OF[curve]][task]
    # database is exact; the other curves were read off a figure, to about one point
    tolerance = 0.1 if task == "database" else 1.5
    assert len(values) == PROBES[task].spans
    assert sum(values) / len(values) == pytest.approx(avg, abs=tolerance)
    assert max(values) - min(values) == pytest.approx(gap, abs=tolerance)


def test_only_models_of_known_size_are_marked_7b():
    assert {row.name: row.measured for row in PAPER_ROWS} == {
        "Mistral-7B-Instruct-v0.2": "paper, 32K, 7B",
        "FILM-7B": "paper, 32K, 7B",
        "GPT-4-Turbo": "paper, 32K",
    }
