from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.read_results import read_models
from in2_plugin.reporting.text.lengths import RULE, effective, length_tables, length_tasks
from tests.support import lm_eval_results as made


def with_averages(tmp_path, **averages):
    """Return a model whose code probe has the given flat average at each length, in thousands."""
    value = made.content("m", {})
    for length, average in averages.items():
        thousands = int(length.removeprefix("k"))
        sets = made.drawn_sets([average], 64, 1, n_sets=1)
        made.add(value, f"val_probe_code_{thousands}k", sets, probe_length=1024 * thousands)
        value["results"][f"val_probe_code_{thousands}k"]["avg,none"] = average
    made.write(tmp_path, value)
    return compare(read_models([tmp_path]))


def test_each_probe_has_a_table_with_one_row_per_model(rich):
    tables = length_tables(rich)
    assert [(table.task, table.title, table.lengths) for table in tables] == [
        ("document", "Document", ("4K", "8K", "32K")),
        ("code", "Code", ("4K", "8K", "32K")),
        ("database", "Database", ("4K", "8K", "32K")),
    ]
    assert [(row.model, row.name) for row in tables[0].rows] == [(0, "Mistral"), (1, "FILM")]


def test_cells_have_average_interval_and_gap(rich):
    cell = length_tables(rich)[1].rows[0].cells[2]
    result = rich.models[0].tasks["code"]
    assert cell.avg == f"{100 * result.score.avg:.1f}"
    assert cell.avg_interval.startswith("[")
    assert cell.gap == f"{100 * result.score.gap:.1f}"
    assert cell.within_chance != rich.of(rich.models[0], result).beyond_chance


def test_the_table_gives_the_effective_length_and_its_rule(tmp_path):
    comparison = with_averages(tmp_path, k4=0.9, k8=0.8, k16=0.7, k32=0.85)
    assert length_tables(comparison)[0].rows[0].effective == "8K"
    assert effective(comparison.models[0], "code") == 8192
    assert "85%" in RULE


def test_the_effective_length_may_be_beyond_the_longest_measured(tmp_path):
    assert length_tables(with_averages(tmp_path, k4=0.9, k8=0.8))[0].rows[0].effective == "8K or more"


def test_a_model_with_one_length_has_no_effective_length(tmp_path, rich_folder):
    made.write(tmp_path, made.content("m", made.paper_spans("FILM")))
    comparison = compare(read_models([tmp_path, rich_folder / "FILM"], ["one", "several"]))
    one, several = length_tables(comparison)[0].rows
    assert (one.cells[:2], one.effective) == ((None, None), "–")
    assert one.cells[2].avg_interval == ""
    assert several.effective != "–"


def test_a_single_length_has_no_table(comparison):
    assert length_tasks(comparison) == length_tables(comparison) == []
