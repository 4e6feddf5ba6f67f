from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.read_results import read_models
from tests.support import lm_eval_results as made


def read(tmp_path, **contents):
    for label, content in contents.items():
        made.write(tmp_path / label, content)
    return read_models([tmp_path / label for label in contents], list(contents))


def same(model="m", rows=None):
    return made.content(model, made.paper_spans("FILM"), rows)


def test_the_summary_gives_before_and_after(comparison):
    assert comparison.summary == (
        "Document: not known. Code: not known. Database: not known. From Base to FILM, ends minus middle over the "
        "three probes went from +26.8 to +2.3 points, the average from 47.4% to 85.9%, and the gap from 56.2 to 13.9 "
        "points."
    )


def test_the_summary_leads_with_the_verdicts(rich):
    verdicts = " ".join(f"{one.task.capitalize()}: {one.verdict}." for one in rich.verdicts)
    assert rich.summary.startswith(f"{verdicts} From Mistral to FILM, ends minus middle")


def test_the_summary_of_one_model_gives_its_scores(models):
    summary = compare(models[:1]).summary
    assert summary.endswith("Base scores 47.4% over the three probes: ends minus middle +26.8, gap 56.2 points.")


def test_the_summary_of_three_models_gives_all_of_them(tmp_path):
    summary = compare(read(tmp_path, a=same(), b=same(), c=same())).summary
    assert summary.startswith("b: document not known, code not known and database not known. c: document")
    assert "the average is 85.9% for a, 85.9% for b and 85.9% for c" in summary
    assert "ends minus middle +2.3, +2.3 and +2.3 and the gap 13.9, 13.9 and 13.9 points in the same order" in summary


def test_the_summary_of_many_models_counts_verdicts_and_gives_the_range(tmp_path):
    curves = made.paper_spans("FILM")
    contents = {f"m{i}": made.content("m", {t: [v - i / 100 for v in s] for t, s in curves.items()}) for i in range(7)}
    assert compare(read(tmp_path, **contents)).summary == (
        "Against m0, document: 6 not known; code: 6 not known; database: 6 not known. Over the three probes, the "
        "averages of 7 models go from 79.9% (m6) to 85.9% (m0); ends minus middle is +2.3 and +2.3, the gap 13.9 and "
        "13.9 points."
    )


def test_the_summary_gives_the_interval_of_the_difference(rich):
    dip = rich.changes[-1].position.dip
    low, high = (f"{100 * limit:+.1f}" for limit in dip.interval)
    assert f"On the same questions, that is {100 * dip.value:+.1f} [{low}, {high}] points of ends" in rich.summary


def test_the_summary_notes_different_questions(tmp_path):
    curves = made.paper_spans("FILM")
    models = read(tmp_path, a=made.scored("m", curves, 1), b=made.scored("m", curves, 2, probe_seed=5))
    assert "Though the questions are not the same, that is " in compare(models).summary


def test_without_single_scores_the_summary_has_no_interval(comparison):
    assert "intervals" not in comparison.summary


def test_unfinished_thoughts_are_a_warning_per_model(tmp_path):
    value = same()
    value["results"]["val_probe_code"]["unfinished_thoughts,none"] = 0.25
    value["results"]["val_probe_database"]["unfinished_thoughts,none"] = 0.0
    made.add(value, "val_probe_code_4k", made.drawn_sets([0.5] * 16, 64, 1), probe_length=4096)
    value["results"]["val_probe_code_4k"]["unfinished_thoughts,none"] = 0.125
    assert compare(read(tmp_path, a=same(), b=value)).unfinished == (
        "b: 32 of 256 answers on code at 4K (12.5%) and 722 of 2,887 answers on code (25.0%) end inside a thought and "
        "count as wrong; allow longer answers (max_gen_toks)",
    )
