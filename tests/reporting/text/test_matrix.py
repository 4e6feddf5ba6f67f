from dataclasses import replace

import pytest

from in2_plugin.probing.probes.matrix import STYLES
from in2_plugin.reporting.comparison import compare
from in2_plugin.reporting.read_results import read_models
from in2_plugin.reporting.results import PATTERNS, Score
from in2_plugin.reporting.text.matrix import explained, matrices, matrix_lengths, matrix_results
from tests.support import lm_eval_results as made


def with_averages(rich, average):
    """Return the nine results of a model whose averages are a function of pattern and style, both 0 to 2."""
    results = matrix_results(rich.models[0], 32768)
    return {
        (pattern, task): replace(result, score=Score(average(PATTERNS.index(pattern), STYLES.index(task)), 0.1))
        for (pattern, task), result in results.items()
    }


def test_each_model_has_a_table_with_means(rich):
    first, second = matrices(rich)
    assert (first.model, first.length, second.model) == ("Mistral", "32K", "FILM")
    assert [pattern for pattern, _ in first.rows] == ["forward", "backward", "bidirectional", "mean"]
    cells = first.rows[0][1]
    result = matrix_results(rich.models[0], 32768)["forward", "document"]
    assert cells[0].avg == f"{100 * result.score.avg:.1f}"
    assert cells[0].avg_interval.startswith("[")
    assert cells[0].gap_interval.startswith("[")
    assert float(cells[3].avg) == pytest.approx(sum(float(cell.avg) for cell in cells[:3]) / 3, abs=0.1)
    assert float(first.rows[3][1][3].avg) == pytest.approx(sum(float(r[1][3].avg) for r in first.rows[:3]) / 3, abs=0.1)


def test_the_conclusion_names_the_factor_that_explains_more(rich):
    assert matrices(rich)[0].conclusion.startswith(
        "For Mistral the style explains more of the differences between the nine averages than the pattern: "
    )


@pytest.mark.parametrize(
    ("average", "pattern", "style"),
    [
        (lambda p, s: 0.5 + 0.1 * p, 1.0, 0.0),
        (lambda p, s: 0.5 + 0.1 * s, 0.0, 1.0),
        (lambda p, s: 0.5 + 0.1 * p + 0.1 * s, 0.5, 0.5),
        (lambda p, s: 0.9 if p == s else 0.1, 0.0, 0.0),
    ],
)
def test_variance_is_attributed_to_pattern_and_style(rich, average, pattern, style):
    shares = explained(with_averages(rich, average))
    assert (shares.pattern, shares.style) == (pytest.approx(pattern, abs=1e-9), pytest.approx(style, abs=1e-9))


def test_equal_averages_explain_nothing(rich):
    assert explained(with_averages(rich, lambda p, s: 0.5)) is None


def test_an_incomplete_matrix_has_dashes_and_no_conclusion(tmp_path):
    value = made.content("m", {})
    for task in ("document", "code"):
        made.add(value, f"val_probe_matrix_{task}_forward", made.drawn_sets([0.5], 64, 1))
    made.write(tmp_path, value)
    comparison = compare(read_models([tmp_path]))
    (matrix,) = matrices(comparison)
    assert [cell.avg == "–" for cell in matrix.rows[0][1]] == [False, False, True, True]
    assert all(cell.avg == "–" for cell in (*matrix.rows[1][1], *matrix.rows[3][1]))
    assert matrix.conclusion == ""
    assert explained(matrix_results(comparison.models[0], 32768)) is None


def test_each_length_has_a_table(tmp_path):
    for i, length in enumerate((4096, 8192)):
        value = made.content("m", {})
        made.add(value, "val_probe_matrix_code_forward", made.drawn_sets([0.5], 64, 1), probe_length=length)
        made.write(tmp_path, value, f"x{i}")
    comparison = compare(read_models([tmp_path]))
    assert matrix_lengths(comparison.models[0]) == [4096, 8192]
    assert [matrix.length for matrix in matrices(comparison)] == ["4K", "8K"]


def test_results_without_the_matrix_have_no_table(comparison):
    assert matrices(comparison) == []
