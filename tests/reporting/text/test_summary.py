from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.read_results import read_models
from tests.support import lm_eval_results as made


def read(tmp_path, **contents):
    for label, content in contents.items():
        made.write(tmp_path / label, content)
    return read_models([tmp_path / label for label in contents], list(contents))


def same(model="m", rows=None):
    return made.content(model, made.paper_spans("FILM"), rows)


def test_the_summary_gives_before_and_after_in_two_sentences(comparison):
    assert comparison.summary == (
        "From Base to FILM, the average over the three probes went from 47.4% to 85.9%, and the gap between the "
        "best and the worst position from 56.2 to 13.9 points. On code and database the gap of FILM is larger than "
        "chance alone would give a model that reads every position equally well; on document it is not."
    )


def test_the_summary_of_one_model_gives_its_scores(models):
    summary = compare(models[:1]).summary
    assert summary.startswith("Base scores 47.4% on average over the three probes, with a gap")
    assert summary.endswith("equally well.")
    assert "On document, code and database the gap of Base is larger" in summary


def test_the_summary_of_three_models_gives_all_of_them(tmp_path):
    summary = compare(read(tmp_path, a=same(), b=same(), c=same())).summary
    assert "the average is 85.9% for a, 85.9% for b and 85.9% for c" in summary
    assert "is 13.9, 13.9 and 13.9 points in the same order" in summary


def test_the_gap_of_a_small_run_is_within_chance(tmp_path):
    summary = compare(read(tmp_path, a=same(rows=64))).summary
    assert "On document, code and database the gap of a is no larger than chance" in summary


def test_the_summary_of_many_models_gives_the_range(tmp_path):
    curves = made.paper_spans("FILM")
    contents = {f"m{i}": made.content("m", {t: [v - i / 100 for v in s] for t, s in curves.items()}) for i in range(7)}
    summary = compare(read(tmp_path, **contents)).summary
    assert summary.startswith(
        "Over the three probes, the averages of 7 models go from 79.9% (m6) to 85.9% (m0), with a gap between the best "
        "and the worst position of 13.9 and 13.9 points."
    )


def test_the_summary_gives_the_interval_of_the_difference(rich):
    both = rich.changes[-1].difference
    assert "On the same questions, that is +" in rich.summary
    low, high = (f"{100 * limit:+.1f}" for limit in both.avg_interval)
    assert f"{100 * both.avg:+.1f} [{low}, {high}] points of average and {100 * both.gap:+.1f} [" in rich.summary


def test_the_summary_notes_different_questions(tmp_path):
    curves = made.paper_spans("FILM")
    models = read(tmp_path, a=made.scored("m", curves, 1), b=made.scored("m", curves, 2, probe_seed=5))
    assert "Though the questions are not the same, that is " in compare(models).summary


def test_without_single_scores_the_summary_has_no_interval(comparison):
    assert "intervals" not in comparison.summary
