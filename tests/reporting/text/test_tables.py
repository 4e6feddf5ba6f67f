from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.read_results import read_models
from in2_plugin.reporting.text.tables import (
    authors_rows,
    baseline_rows,
    change_rows,
    columns,
    gap_rows,
    measured_rows,
    paper_rows,
)
from tests.support import lm_eval_results as made


def pairs(row):
    return tuple((cell.avg, cell.gap) for cell in row.cells)


def test_rows_have_average_and_gap_per_probe_and_overall(comparison):
    base, film = measured_rows(comparison)
    assert columns(comparison) == ("Document", "Code", "Database", "All")
    assert base.name == "Base"
    assert pairs(base) == (("74.2", "32.0"), ("20.4", "59.5"), ("47.5", "77.0"), ("47.4", "56.2"))
    assert pairs(film)[-1] == ("85.9", "13.9")


def test_the_papers_rows_are_marked(comparison):
    rows = {row.name: row for row in paper_rows(comparison)}
    assert rows["FILM-7B"].measured == "paper, 32K, 7B"
    assert pairs(rows["FILM-7B"]) == (("85.4", "6.1"), ("83.3", "18.7"), ("89.0", "16.8"), ("85.9", "13.9"))
    assert all(row.measured == "" for row in measured_rows(comparison))


def test_a_missing_probe_is_a_dash(tmp_path):
    made.write(tmp_path, made.content("m", {"code": made.paper_spans("FILM")["code"]}))
    (row,) = measured_rows(compare(read_models([tmp_path])))
    assert [cell.avg for cell in row.cells] == ["–", "83.3", "–", "–"]


def test_every_measured_gap_is_next_to_that_of_a_flat_model(comparison):
    rows = gap_rows(comparison)
    assert [(row.task, row.model) for row in rows[:3]] == [("Document", "Base"), ("Document", "FILM"), ("Code", "Base")]
    film = rows[1]
    assert (film.gap, film.rows, film.beyond_chance) == ("6.0", "3,200", False)
    assert 8 < float(film.expected) < float(film.percentile_95) < 14
    assert (film.gap_interval, rows[2].chance) == ("", "none of 20,000")


def test_cells_have_intervals_if_single_scores_are_available(rich, comparison):
    row, old = measured_rows(rich)[0], measured_rows(comparison)[0]
    assert all(cell.avg_interval.startswith("[") for cell in row.cells)
    assert [bool(cell.gap_interval) for cell in row.cells] == [True, True, True, False]
    assert {cell.avg_interval for cell in old.cells} == {""}
    assert gap_rows(rich)[0].gap_interval == row.cells[0].gap_interval


def test_the_closed_book_score_is_below_its_model(rich):
    rows = measured_rows(rich)
    assert [(row.name, row.model) for row in rows] == [
        ("Mistral", 0),
        ("without the context", None),
        ("FILM", 1),
        ("without the context", None),
    ]
    closed = [result.score.avg for result in rich.models[0].of_family("closed_book")]
    assert [cell.avg for cell in rows[1].cells] == [f"{100 * v:.1f}" for v in (*closed, sum(closed) / 3)]
    assert {cell.gap for cell in rows[1].cells} == {"–"}


def test_a_closed_book_score_alone_names_its_model(tmp_path):
    value = made.content("m", {})
    made.add(value, "val_probe_closed_book_code", made.drawn_sets([0.5], 64, 1))
    made.write(tmp_path, value)
    (row,) = measured_rows(compare(read_models([tmp_path])))
    assert row.name == "m, without the context"
    assert [cell.avg == "–" for cell in row.cells] == [True, False, True, True]


def test_the_authors_data_has_published_and_corrected_scores(rich):
    published, corrected = authors_rows(rich)[:2]
    assert (published.measured, corrected.measured) == ("authors' data, as published", "authors' data, all positions")
    assert pairs(published) == (("85.0", "12.5"),) * 4
    scores = [result.score for result in rich.models[0].of_family("paper")]
    assert pairs(corrected)[:3] == tuple((f"{100 * s.avg:.1f}", f"{100 * s.gap:.1f}") for s in scores)
    assert corrected.cells[0].avg_interval.startswith("[")
    assert corrected.cells[3].avg == f"{100 * sum(score.avg for score in scores) / 3:.1f}"


def test_incomplete_authors_data_has_no_mean(tmp_path):
    value = made.content("m", {})
    made.add(value, "val_probe_paper_code", made.drawn_sets([0.5], 64, 1))
    made.write(tmp_path, value)
    (row,) = authors_rows(compare(read_models([tmp_path])))
    assert row.measured == "authors' data, all positions"
    assert [cell.avg == "–" for cell in row.cells] == [True, False, True, True]


def test_measured_baselines_have_rows(rich, comparison):
    echo, other = baseline_rows(rich)
    assert [cell.avg for cell in echo.cells] == ["38.1", "0.0", "0.0", "–"]
    assert [cell.avg for cell in other.cells] == ["11.7", "0.1", "0.1", "–"]
    assert baseline_rows(comparison) == []


def test_different_baselines_are_shown_as_a_range(tmp_path):
    for name, echo in (("a", 0.3), ("b", 0.4)):
        value = made.scored("m", {"document": made.paper_spans("FILM")["document"]})
        value["results"]["val_probe_document"]["echo,none"] = echo
        made.write(tmp_path / name, value)
    rows = baseline_rows(compare(read_models([tmp_path / "a", tmp_path / "b"], ["a", "b"])))
    assert rows[0].cells[0].avg == "30.0-40.0"


def test_differences_from_the_first_model_are_in_points(rich, comparison):
    (row,) = change_rows(rich)
    assert (row.name, row.measured, row.model) == ("FILM", "same questions", 1)
    found = rich.changes[-1].difference
    assert row.cells[3].avg == f"{100 * found.avg:+.1f}"
    assert row.cells[3].gap_interval == f"[{100 * found.gap_interval[0]:+.1f}, {100 * found.gap_interval[1]:+.1f}]"
    assert change_rows(comparison) == []


def test_gaps_at_other_lengths_are_in_a_separate_table(rich):
    assert [row.task for row in gap_rows(rich)] == ["Document", "Document", "Code", "Code", "Database", "Database"]
    others = gap_rows(rich, other_lengths=True)
    assert len(others) == 2 * 3 * 2
    assert [(row.task, row.model) for row in others[:2]] == [("Document, 4K", "Mistral"), ("Document, 8K", "Mistral")]
