import lm_eval_results as made

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.results import read_models
from in2_plugin.reporting.tables import COLUMNS, fact_rows, gap_rows, measured_rows, paper_rows


def test_rows_have_average_and_gap_of_each_probe_and_all(comparison):
    base, film = measured_rows(comparison)
    assert COLUMNS == ("Document", "Code", "Database", "All")
    assert base.name == "Base"
    assert base.cells == (("74.2", "32.0"), ("20.4", "59.5"), ("47.5", "77.0"), ("47.4", "56.2"))
    assert film.cells[-1] == ("85.9", "13.9")


def test_the_papers_rows_are_marked(comparison):
    rows = {row.name: row for row in paper_rows()}
    assert rows["FILM-7B"].measured == "paper, 32K, 7B"
    assert rows["FILM-7B"].cells == (("85.4", "6.1"), ("83.3", "18.7"), ("89.0", "16.8"), ("85.9", "13.9"))
    assert all(row.measured == "" for row in measured_rows(comparison))


def test_a_missing_probe_is_a_dash(tmp_path):
    made.write(tmp_path, made.content("m", {"code": made.paper_spans("FILM")["code"]}))
    (row,) = measured_rows(compare(read_models([tmp_path])))
    assert [avg for avg, _ in row.cells] == ["–", "83.3", "–", "–"]


def test_every_measured_gap_has_its_chance_beside_it(comparison):
    rows = gap_rows(comparison)
    assert [(row.task, row.model) for row in rows[:3]] == [("Document", "Base"), ("Document", "FILM"), ("Code", "Base")]
    film = rows[1]
    assert (film.gap, film.rows, film.beyond_chance) == ("6.0", "3,200", False)
    assert 8 < float(film.expected) < float(film.percentile_95) < 14


def test_facts_are_in_a_fixed_order_with_one_value_a_model(comparison):
    facts = dict(fact_rows(comparison))
    assert list(facts) == [
        "Model",
        "Context length, tokens",
        "Context sets",
        "Questions",
        "Seed",
        "Prompt template",
        "Scored rows",
        "Task version",
        "Chat template",
        "Date",
        "lm_eval",
        "Results file",
    ]
    assert facts["Model"] == ("mistralai/Mistral-7B-Instruct-v0.2", "out/film")
    assert facts["Context length, tokens"] == ("32768", "32768")
    assert facts["Scored rows"][0] == "3200 (document), 2887 (code), 2998 (database)"
    assert facts["Date"] == ("2025-11-13 02:13 UTC",) * 2


def test_arguments_beyond_the_models_name_are_facts_and_others_are_not(tmp_path):
    made.write(tmp_path, made.content("adapter", made.paper_spans("FILM"), peft="adapter", pretrained="base"))
    facts = dict(fact_rows(compare(read_models([tmp_path]))))
    assert facts["pretrained"] == ("base",)
    assert "peft" not in facts
    assert "secret" not in str(facts)


def test_an_option_of_a_later_version_keeps_its_name(tmp_path):
    made.write(tmp_path, made.content("m", made.paper_spans("FILM"), probe_exact=True))
    names = [name for name, _ in fact_rows(compare(read_models([tmp_path])))]
    assert names[names.index("Chat template") + 1] == "probe_exact"
