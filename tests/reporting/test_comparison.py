import pytest

from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.read_results import read_models
from in2_plugin.reporting.results import shared_tasks
from tests.support import lm_eval_results as made


def read(tmp_path, **contents):
    for label, content in contents.items():
        made.write(tmp_path / label, content)
    return read_models([tmp_path / label for label in contents], list(contents))


def same(model="m", tasks=("document", "code", "database"), rows=None, **options):
    spans = made.paper_spans("FILM")
    return made.content(model, {task: spans[task] for task in tasks}, rows, **options)


def test_only_probes_common_to_all_models_are_compared(tmp_path):
    models = read(tmp_path, a=same(), b=same(tasks=("code", "database")))
    assert shared_tasks(models) == ("code", "database")
    comparison = compare(models)
    assert "over the code and database probes went from" in comparison.summary
    assert comparison.notes == ("b has no results of val_probe_document",)
    assert comparison.warnings == ()


def test_the_summary_states_that_the_models_share_no_probe(tmp_path):
    comparison = compare(read(tmp_path, a=same(tasks=("code",)), b=same(tasks=("document",))))
    assert comparison.summary.startswith("The models have no probe in common")


def test_equal_conditions_give_no_warning(comparison):
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
def test_the_warning_names_a_differing_option_and_both_values(tmp_path, option, first, second):
    models = read(tmp_path, a=same(**{option: first}), b=same(**{option: second}))
    assert compare(models).warnings == (
        f"{option} differs on document, code and database: {first} (a) against {second} (b); "
        "these scores are not comparable",
    )


def test_an_option_of_only_one_model_is_compared_with_the_default(tmp_path):
    models = read(tmp_path, a=same(tasks=("code",)), b=same(tasks=("code",), probe_exact=True))
    (warning,) = compare(models).warnings
    assert warning.startswith("probe_exact differs on code: default (a) against True (b)")


def test_a_null_option_counts_as_the_default(tmp_path):
    models = read(tmp_path, a=same(probe_questions=None), b=same(probe_questions=50))
    (warning,) = compare(models).warnings
    assert "default (a) against 50 (b)" in warning
    without = same(probe_questions=None)
    for task in made.ROWS:
        without["configs"][f"val_probe_{task}"]["metadata"].pop("probe_questions", None)
    assert compare(read(tmp_path, c=same(probe_questions=None), d=without)).warnings == ()


def test_task_version_chat_template_and_row_count_are_compared(tmp_path):
    other = same(tasks=("code",), rows=100) | {"versions": {"val_probe_code": 2.0}, "chat_template": None}
    warnings = compare(read(tmp_path, a=same(tasks=("code",)), b=other)).warnings
    assert [warning.partition(";")[0] for warning in warnings] == [
        "task version differs on code: 1.0 (a) against 2.0 (b)",
        "chat template differs on code: applied (a) against not applied (b)",
        "number of scored rows differs on code: 2887 (a) against 100 (b)",
    ]


def test_probes_of_one_model_may_have_different_options(tmp_path):
    mixed = same()
    mixed["configs"]["val_probe_code"]["metadata"] = made.OPTIONS | {"probe_length": 8192}
    assert compare(read(tmp_path, a=mixed, b=mixed)).warnings == ()


def test_empty_spans_give_a_note(tmp_path):
    spans = [0.5, None, None, *[0.75] * 13]
    comparison = compare(read(tmp_path, a=made.content("m", {"code": spans}, rows=26)))
    assert "a, code: 14 of 16 spans have scored rows; average and gap are over those" in comparison.notes


def test_the_flat_gap_depends_on_the_number_of_rows(tmp_path):
    comparison = compare(read(tmp_path, a=same(rows=15 * 196)))
    (model,) = comparison.models
    database, document = (comparison.of(model, model.tasks[task]) for task in ("database", "document"))
    assert 100 * database.flat.expected == pytest.approx(7.8, abs=0.2)
    assert (database.beyond_chance, document.beyond_chance) == (True, False)


def test_every_later_model_is_compared_with_the_first(rich):
    assert [(one.before, one.after, one.tasks) for one in rich.changes] == [
        ("Mistral", "FILM", ("document",)),
        ("Mistral", "FILM", ("code",)),
        ("Mistral", "FILM", ("database",)),
        ("Mistral", "FILM", ("document", "code", "database")),
    ]
    assert all(one.difference.is_paired for one in rich.changes)


def test_every_probe_that_was_run_has_evidence(rich):
    assert len(rich.evidence) == 2 * (3 * 3 + 3 + 9 + 3)
    assert rich.lengths == (4096, 8192, 32768)


def test_the_mean_has_an_interval_if_all_probes_have_single_scores(rich, comparison):
    for model in rich.models:
        low, high = rich.overall[model.label]
        assert low < model.all.avg < high
    assert set(comparison.overall.values()) == {None}


def probes(seed, **options):
    value = made.content("m", {})
    for name in ("code_4k", "code_32k", "closed_book_code", "matrix_code_forward"):
        length = 4096 if name == "code_4k" else 32768
        sets = made.drawn_sets([0.5] * 16, 64, seed)
        made.add(value, f"val_probe_{name}", sets, **{"probe_length": length, **options})
    return value


def test_differences_are_found_in_every_probe_that_two_models_ran(tmp_path):
    other = probes(2)
    other["configs"]["val_probe_code_4k"]["metadata"]["probe_seed"] = 9
    (warning,) = compare(read(tmp_path, a=probes(1), b=other)).warnings
    assert warning.startswith("probe_seed differs on code at 4K: 1 (a) against 9 (b)")


def test_a_difference_in_every_probe_gives_one_warning(tmp_path):
    (warning,) = compare(read(tmp_path, a=probes(1), b=probes(2, probe_seed=9))).warnings
    assert warning.startswith("probe_seed differs on every probe that more than one model ran: 1 (a) against 9 (b)")


def test_a_length_in_the_name_equals_one_in_the_metadata(tmp_path):
    value = made.content("m", {})
    made.add(value, "val_probe_code_32k", made.drawn_sets([0.5] * 16, 64, 1), probe_length=None)
    assert compare(read(tmp_path, a=value, b=probes(2))).warnings == ()


def test_empty_spans_at_other_lengths_give_one_note_per_probe(tmp_path):
    value = made.content("m", {})
    for length in (1, 2, 32):
        made.add(value, f"val_probe_code_{length}k", made.drawn_sets([0.5], 5 * length, 1), probe_length=1024 * length)
    assert "a, code: not all spans have scored rows at 1K and 2K" in compare(read(tmp_path, a=value)).notes


def test_a_model_with_only_matrix_probes_has_no_missing_probes(tmp_path):
    value = made.content("m", {})
    made.add(value, "val_probe_matrix_code_forward", made.drawn_sets([0.5], 64, 1))
    comparison = compare(read(tmp_path, a=value))
    assert (comparison.notes, comparison.summary) == ((), "")
