import json
from datetime import UTC, datetime

import pytest

from in2_plugin.errors import ConfigError, ReportError
from in2_plugin.reporting.read_results import read_model, read_models, refuse_without_results
from in2_plugin.reporting.results import ProbeKey
from tests.support import lm_eval_results as made

CODE = {"code": made.paper_spans("FILM")["code"]}


def write_code(folder, time="2026-11-20T10-00-00.000000", **changes):
    return made.write(folder, made.content("org/m", CODE) | changes, time)


def test_a_folder_of_lm_eval_is_read_at_any_depth(before):
    model = read_model(before.parent / "before")
    assert (model.label, model.model_name) == ("Mistral-7B-Instruct-v0.2", "mistralai/Mistral-7B-Instruct-v0.2")
    assert list(model.tasks) == ["document", "code", "database"]
    assert model.missing == model.notes == ()
    database = model.tasks["database"]
    assert database.score.avg == pytest.approx(0.475, abs=5e-4)
    assert database.score.gap == pytest.approx(0.770, abs=5e-4)
    assert (len(database.spans), database.scored_spans, database.rows) == (15, 15, 2998)
    assert database.options["probe_length"] == "32768"
    assert (database.version, database.lm_eval, database.chat_template) == ("1.0", "0.4.11", True)
    assert database.date == datetime.fromtimestamp(made.DATE, UTC)


def test_all_is_the_plain_mean_over_the_three_tasks(after):
    model = read_model(after)
    averages = [result.score.avg for result in model.tasks.values()]
    assert model.all.avg == pytest.approx(sum(averages) / 3)
    assert model.all.gap == pytest.approx(sum(result.score.gap for result in model.tasks.values()) / 3)


def test_all_is_none_if_a_probe_is_missing(tmp_path):
    write_code(tmp_path)
    model = read_model(tmp_path)
    assert model.all is None
    assert model.missing == ("document", "database")


def test_model_arguments_that_may_be_secret_are_not_read(after):
    assert read_model(after).tasks["code"].model_args == {"pretrained": "out/film"}


def test_the_newest_file_of_each_task_is_used_and_noted(tmp_path):
    old, new = made.paper_spans("Mistral"), made.paper_spans("FILM")
    # the name of the older run sorts last, so the date inside must decide
    made.write(tmp_path, made.content("m", old), "2026-11-21T09-00-00.000000")
    newer = made.content("m", {"code": new["code"]}) | {"date": made.DATE + 60}
    path = made.write(tmp_path, newer, "2026-11-20T10-00-00.000000")
    model = read_model(tmp_path)
    assert model.tasks["code"].spans == tuple(new["code"])
    assert model.tasks["document"].spans == tuple(old["document"])
    assert model.notes == (f"{tmp_path}: 2 files hold val_probe_code; took the newest, {path.name}",)


def test_results_of_other_tasks_are_ignored(tmp_path):
    write_code(tmp_path)
    made.write(tmp_path, {"results": {"mmlu": {}}, "model_name": "other"}, "2026-11-22T10-00-00.000000")
    assert list(read_model(tmp_path).tasks) == ["code"]


def test_a_file_may_have_any_name(tmp_path):
    path = write_code(tmp_path).rename(tmp_path / "scores.json")
    assert list(read_model(path).tasks) == ["code"]


def test_average_and_gap_ignore_spans_without_data(tmp_path):
    spans = [None, 0.2, 0.8, *[None] * 13]
    value = made.content("m", {"code": spans}, rows=20)
    value["results"]["val_probe_code"] |= {"avg,none": None, "gap,none": float("nan")}
    made.write(tmp_path, value)
    code = read_model(tmp_path).tasks["code"]
    assert code.scored_spans == 2
    assert (code.score.avg, code.score.gap) == (pytest.approx(0.5), pytest.approx(0.6))
    assert code.depths[code.spans.index(0.8)] == 2.5 / 16


@pytest.mark.parametrize("asked", [4, "4"])
def test_fewer_spans_divide_the_context_more_coarsely(tmp_path, asked):
    made.write(tmp_path, made.content("m", {"code": [0.5, 0.25, 0.25, 0.5, *[None] * 12]}, probe_spans=asked))
    code = read_model(tmp_path).tasks["code"]
    assert code.spans == (0.5, 0.25, 0.25, 0.5)
    assert code.depths == (0.125, 0.375, 0.625, 0.875)


@pytest.mark.parametrize("asked", [0, "0", -3, 2.5, "many"])
def test_an_invalid_number_of_spans_is_an_error(tmp_path, asked):
    made.write(tmp_path, made.content("m", CODE, probe_spans=asked))
    with pytest.raises(ReportError, match="which is not a number of spans"):
        read_model(tmp_path)


def test_more_spans_than_metrics_are_computed_from_single_scores(tmp_path):
    value, sets = made.content("m", {}), made.drawn_sets([0.2, 0.8], 200, 1)
    made.add(value, "val_probe_code", sets, spans=40)
    made.write(tmp_path, value)
    code = read_model(tmp_path).tasks["code"]
    assert code.spans == made.measured(sets, 40).spans
    assert code.depths[-1] == 39.5 / 40


def test_more_spans_than_metrics_without_single_scores_are_an_error(tmp_path):
    made.write(tmp_path, made.content("m", CODE, probe_spans=17))
    with pytest.raises(ReportError, match=r"17 spans .* but no scores_stderr; run it again"):
        read_model(tmp_path)


def test_single_scores_baselines_and_published_scores_are_read(tmp_path):
    value, sets = made.content("m", {}), made.drawn_sets([0.5] * 15, 150, 1)
    made.add(value, "val_probe_paper_database", sets)
    value["results"]["val_probe_paper_database"] |= {"avg_paper,none": 0.4, "gap_paper,none": 0.3}
    made.write(tmp_path, value)
    model = read_model(tmp_path)
    (result,) = model.probes.values()
    assert result.key == ProbeKey("paper", "database", None, 32768)
    assert result.sets == sets
    assert (result.published.avg, result.published.gap) == (0.4, 0.3)
    assert (result.baselines.echo, result.baselines.other) == (0.0, 0.001)
    assert model.tasks == {}
    assert model.missing == ()


def test_older_results_have_no_single_scores(before):
    document = read_model(before).tasks["document"]
    assert document.sets == ()
    assert (document.baselines.echo, document.baselines.other, document.published) == (None, None, None)


def test_the_error_for_damaged_single_scores_names_file_and_probe(tmp_path):
    value = made.content("m", CODE)
    value["results"]["val_probe_code"]["scores_stderr,none"] = "[[0,2,[0,5],[1,1]]]"
    path = made.write(tmp_path, value)
    with pytest.raises(ReportError, match=f"{path.name}: val_probe_code: scores by position are inconsistent"):
        read_model(tmp_path)


def test_lengths_patterns_and_closed_book_runs_are_separate_probes(tmp_path):
    value, sets = made.content("m", {}), made.drawn_sets([0.5] * 16, 64, 1)
    names = ("code_4k", "code_128k", "closed_book_code", "matrix_database_forward", "paper_document")
    for name in names:
        made.add(value, f"val_probe_{name}", sets, probe_length=None)
    made.write(tmp_path, value)
    assert list(read_model(tmp_path).probes) == [
        ProbeKey("", "code", None, 4096),
        ProbeKey("", "code", None, 131072),
        ProbeKey("closed_book", "code", None, 32768),
        ProbeKey("matrix", "database", "forward", 32768),
        ProbeKey("paper", "document", None, 32768),
    ]


def test_one_probe_may_have_two_names(tmp_path):
    value, sets = made.content("m", {}), made.drawn_sets([0.5] * 16, 64, 1)
    made.add(value, "val_probe_code", sets, probe_length=4096)
    made.write(tmp_path, value)
    newer = made.content("m", {}) | {"date": made.DATE + 60}
    made.add(newer, "val_probe_code_4k", sets, probe_length=4096)
    path = made.write(tmp_path, newer, "2026-11-22T10-00-00.000000")
    model = read_model(tmp_path)
    assert [result.name for result in model.probes.values()] == ["val_probe_code_4k"]
    assert model.notes == (f"{tmp_path}: 2 files hold val_probe_code_4k; took the newest, {path.name}",)


def test_files_of_different_lengths_are_all_read(tmp_path):
    for i, length in enumerate((4096, 8192)):
        value = made.content("m", CODE, probe_length=length) | {"date": made.DATE + i}
        made.write(tmp_path, value, f"2026-11-2{i}T10-00-00.000000")
    model = read_model(tmp_path)
    assert [key.length for key in model.probes] == [4096, 8192]
    assert model.notes == ()


def test_an_invalid_length_is_an_error(tmp_path):
    made.write(tmp_path, made.content("m", CODE, probe_length="long"))
    with pytest.raises(ReportError, match="probe_length = 'long', which is not a number of tokens"):
        read_model(tmp_path)


def test_tasks_with_similar_names_are_ignored(tmp_path):
    value = made.content("m", CODE)
    value["results"] |= {name: {} for name in ("val_probe_4k", "val_probe_matrix", "val_probe_code_forwards")}
    made.write(tmp_path, value)
    assert [result.name for result in read_model(tmp_path).probes.values()] == ["val_probe_code"]


def test_scores_beyond_the_last_span_are_an_error(tmp_path):
    made.write(tmp_path, made.content("m", CODE, probe_spans=4))
    with pytest.raises(ReportError, match="scores beyond its 4 spans"):
        read_model(tmp_path)


def test_the_report_uses_the_numbers_that_lm_eval_printed(tmp_path):
    value = made.content("m", CODE)
    value["results"]["val_probe_code"] |= {"avg,none": 0.25, "gap,none": 0.125}
    made.write(tmp_path, value)
    score = read_model(tmp_path).tasks["code"].score
    assert (score.avg, score.gap) == (0.25, 0.125)


@pytest.mark.parametrize(
    ("chat_template", "applied"), [({"chat_template": None}, False), ({"chat_template": "{{ x }}"}, True)]
)
def test_the_use_of_the_chat_template_is_read(tmp_path, chat_template, applied):
    write_code(tmp_path, **chat_template)
    assert read_model(tmp_path).tasks["code"].chat_template is applied


def test_missing_fields_are_unknown(tmp_path):
    value = made.content("m", CODE)
    for key in ("chat_template", "date", "lm_eval_version", "versions"):
        del value[key]
    value["configs"]["val_probe_code"]["metadata"] |= {"version": None, "peft": None}
    made.write(tmp_path, value)
    code = read_model(tmp_path).tasks["code"]
    assert (code.chat_template, code.date, code.lm_eval, code.version) == (None, None, None, None)
    assert "peft" not in code.model_args


def test_the_error_for_a_folder_without_results_gives_the_command(tmp_path):
    model = read_model(tmp_path)
    assert model.probes == {}
    with pytest.raises(ReportError, match=r"holds no val_probe results; run `in2 lm-eval .*--tasks val_probe"):
        refuse_without_results(model)


def test_a_missing_path_is_an_error(tmp_path):
    with pytest.raises(ReportError, match="nowhere does not exist"):
        read_model(tmp_path / "nowhere")


def test_two_models_in_one_folder_are_an_error(tmp_path, before, after):
    with pytest.raises(ReportError, match=r"2 models \(mistralai/Mistral-7B-Instruct-v0.2, out/film\)"):
        read_model(tmp_path)


@pytest.mark.parametrize("text", ["{", "\xff"])
def test_the_error_for_a_damaged_file_names_it(tmp_path, text):
    path = tmp_path / "results_x.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ReportError, match=r"results_x\.json is not a results file"):
        read_model(tmp_path)


def test_json_without_results_is_an_error(tmp_path):
    path = tmp_path / "results_x.json"
    path.write_text("[1]")
    with pytest.raises(ReportError, match="no val_probe results"):
        refuse_without_results(read_model(path))


@pytest.mark.parametrize("value", [999, -0.1, "N/A", True, float("inf")])
def test_a_score_outside_zero_to_one_is_an_error(tmp_path, value):
    content = made.content("m", CODE)
    content["results"]["val_probe_code"]["span_03,none"] = value
    path = made.write(tmp_path, content)
    with pytest.raises(ReportError, match=f"{path.name}.*val_probe_code has span_03 = "):
        read_model(tmp_path)


def test_predictions_without_scores_are_an_error(tmp_path):
    made.write(tmp_path, made.content("m", CODE) | {"results": {"val_probe_code": {"bypass,none": 999}}})
    with pytest.raises(ReportError, match=r"no scores .*without --predict_only"):
        read_model(tmp_path)


@pytest.mark.parametrize("effective", [None, 15, "16"])
def test_fewer_scored_rows_than_spans_are_an_error(tmp_path, effective):
    write_code(tmp_path, **{"n-samples": {"val_probe_code": {"effective": effective}}})
    with pytest.raises(ReportError, match="16 spans but n-samples says"):
        read_model(tmp_path)


def test_default_labels_are_the_shortest_distinct_names(tmp_path):
    folders = [tmp_path / run / "eval" for run in ("one", "two")]
    for folder, model in zip(folders, ("a/base", "b/base"), strict=True):
        made.write(folder, made.content(model, CODE))
    assert [m.label for m in read_models(folders)] == [str(folder) for folder in folders]
    assert [m.label for m in read_models(folders[:1])] == ["base"]
    renamed = folders[1].rename(tmp_path / "after")
    assert [m.label for m in read_models([folders[0], renamed])] == ["eval", "after"]


def test_given_labels_take_precedence_and_must_match_in_number(before, after):
    assert [m.label for m in read_models([before, after], ["A", "B"])] == ["A", "B"]
    with pytest.raises(ConfigError, match="2 results but 1 labels"):
        read_models([before, after], ["A"])
    with pytest.raises(ConfigError, match="both called `A`"):
        read_models([before, after], ["A", "A"])
    with pytest.raises(ConfigError, match="tell them apart with --label"):
        read_models([before, before])


def test_the_fixture_has_the_format_of_lm_eval(before):
    (path,) = before.rglob("results_*.json")
    assert json.loads(path.read_text())["results"]["val_probe_code"]["span_15,none"] == 0.625
