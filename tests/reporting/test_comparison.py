import lm_eval_results as made
import pytest

from in2_plugin.reporting.comparison import compare, listed, shared_tasks
from in2_plugin.reporting.results import read_models


def read(tmp_path, **contents):
    for label, content in contents.items():
        made.write(tmp_path / label, content)
    return read_models([tmp_path / label for label in contents], list(contents))


def same(model="m", tasks=("document", "code", "database"), rows=None, **options):
    spans = made.paper_spans("FILM")
    return made.content(model, {task: spans[task] for task in tasks}, rows, **options)


def test_the_summary_says_before_and_after_in_two_sentences(comparison):
    assert comparison.summary == (
        "From Base to FILM, the average over the three probes went from 47.4% to 85.9%, and the gap between the "
        "best and the worst position from 56.2 to 13.9 points. On code and database the gap of FILM is larger than "
        "chance alone would give a model that reads every position equally well; on document it is not."
    )


def test_the_summary_of_one_model(models):
    summary = compare(models[:1]).summary
    assert summary.startswith("Base scores 47.4% on average over the three probes, with a gap")
    assert summary.endswith("equally well.")
    assert "On document, code and database the gap of Base is larger" in summary


def test_the_summary_of_three_models(tmp_path):
    summary = compare(read(tmp_path, a=same(), b=same(), c=same())).summary
    assert "the average is 85.9% for a, 85.9% for b and 85.9% for c" in summary
    assert "is 13.9, 13.9 and 13.9 points in the same order" in summary


def test_a_small_run_cannot_tell_its_gap_from_chance(tmp_path):
    summary = compare(read(tmp_path, a=same(rows=64))).summary
    assert "On document, code and database the gap of a is no larger than chance" in summary


def test_only_probes_that_all_models_have_are_compared(tmp_path):
    models = read(tmp_path, a=same(), b=same(tasks=("code", "database")))
    assert shared_tasks(models) == ("code", "database")
    comparison = compare(models)
    assert "over the code and database probes went from" in comparison.summary
    assert comparison.notes == ("b has no results of val_probe_document",)
    assert comparison.warnings == ()


def test_models_without_a_common_probe(tmp_path):
    comparison = compare(read(tmp_path, a=same(tasks=("code",)), b=same(tasks=("document",))))
    assert comparison.summary.startswith("The models have no probe in common")


def test_equal_conditions_are_no_warning(comparison):
    assert comparison.warnings == comparison.notes == ()


@pytest.mark.parametrize(
    ("option", "first", "second"),
    [
        ("probe_length", 32768, 4096),
        ("probe_sets", 4, 1),
        ("probe_seed", 1, 2),
        ("probe_template", "film", "chat"),
        ("probe_questions", "all", 100),
    ],
)
def test_an_option_that_differs_is_named_with_both_values(tmp_path, option, first, second):
    models = read(tmp_path, a=same(**{option: first}), b=same(**{option: second}))
    assert compare(models).warnings == (
        f"{option} differs on document, code and database: {first} (a) against {second} (b); "
        "these scores are not comparable",
    )


def test_an_option_that_only_one_has(tmp_path):
    models = read(tmp_path, a=same(tasks=("code",)), b=same(tasks=("code",), probe_exact=True))
    (warning,) = compare(models).warnings
    assert warning.startswith("probe_exact differs on code: default (a) against True (b)")


def test_an_option_that_is_null_had_its_default(tmp_path):
    models = read(tmp_path, a=same(probe_questions=None), b=same(probe_questions=50))
    (warning,) = compare(models).warnings
    assert "default (a) against 50 (b)" in warning
    without = same(probe_questions=None)
    for task in made.ROWS:
        without["configs"][f"val_probe_{task}"]["metadata"].pop("probe_questions", None)
    assert compare(read(tmp_path, c=same(probe_questions=None), d=without)).warnings == ()


def test_another_task_version_chat_template_and_row_count(tmp_path):
    other = same(tasks=("code",), rows=100) | {"versions": {"val_probe_code": 2.0}, "chat_template": None}
    warnings = compare(read(tmp_path, a=same(tasks=("code",)), b=other)).warnings
    assert [warning.partition(";")[0] for warning in warnings] == [
        "task version differs on code: 1.0 (a) against 2.0 (b)",
        "chat template differs on code: applied (a) against not applied (b)",
        "number of scored rows differs on code: 2887 (a) against 100 (b)",
    ]


def test_probes_of_one_model_may_differ_among_each_other(tmp_path):
    mixed = same()
    mixed["configs"]["val_probe_code"]["metadata"] = made.OPTIONS | {"probe_length": 8192}
    assert compare(read(tmp_path, a=mixed, b=mixed)).warnings == ()


def test_empty_spans_are_said(tmp_path):
    spans = [0.5, None, None, *[0.75] * 13]
    comparison = compare(read(tmp_path, a=made.content("m", {"code": spans}, rows=26)))
    assert "a, code: 14 of 16 spans have scored rows; average and gap are over those" in comparison.notes


def test_noise_is_for_the_rows_at_hand(tmp_path):
    comparison = compare(read(tmp_path, a=same(rows=15 * 196)))
    assert 100 * comparison.flat["a", "database"].expected == pytest.approx(7.8, abs=0.2)
    assert comparison.beyond_chance(comparison.models[0], "database")
    assert not comparison.beyond_chance(comparison.models[0], "document")


def test_lists_read_as_english():
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
