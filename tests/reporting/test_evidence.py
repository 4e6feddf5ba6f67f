import pytest

from in2_plugin.probing.scoring.statistics import bootstrap
from in2_plugin.reporting.binomial_gap import DRAWS as BINOMIAL_DRAWS
from in2_plugin.reporting.evidence import DRAWS, SEED, change, overall, weigh
from in2_plugin.reporting.read_results import read_models
from tests.support import lm_eval_results as made

CURVES = made.paper_spans("FILM")


@pytest.fixture
def pair(tmp_path):
    def make(**options):
        made.write(tmp_path / "a", made.scored("m", made.paper_spans("Mistral"), 1))
        made.write(tmp_path / "b", made.scored("m", CURVES, 1, **options))
        return read_models([tmp_path / "a", tmp_path / "b"], ["a", "b"])

    return make


def test_single_scores_give_intervals_and_the_shuffled_flat_model(rich):
    result = rich.models[0].tasks["code"]
    known = weigh(result)
    assert known.is_exact
    assert known.flat.draws == DRAWS
    low, high = known.avg
    assert low < result.score.avg < high
    assert known.gap[0] <= result.score.gap <= known.gap[1]
    assert len(known.intervals.spans) == 16


def test_older_results_have_the_binomial_flat_model_and_no_intervals(models):
    known = weigh(models[0].tasks["code"])
    assert (known.intervals, known.avg, known.gap, known.is_exact) == (None, None, None, False)
    assert (known.flat.draws, known.flat.at_least, known.beyond_chance) == (BINOMIAL_DRAWS, 0, True)


def test_each_estimate_starts_from_the_same_seed(rich):
    import numpy as np

    result = rich.models[0].tasks["code"]
    assert weigh(result).intervals == bootstrap(result.sets, 16, np.random.default_rng(SEED), DRAWS)


def test_the_same_questions_are_paired(pair):
    before, after = pair()
    found = change(before, after, ("code",))
    assert (found.before, found.after, found.tasks) == ("a", "b", ("code",))
    assert found.difference.is_paired
    assert found.difference.avg == pytest.approx(after.tasks["code"].score.avg - before.tasks["code"].score.avg)


@pytest.mark.parametrize("option", [{"probe_seed": 2}, {"probe_pieces": "other"}])
def test_different_items_are_not_paired(pair, option):
    assert not change(*pair(**option), ("code",)).difference.is_paired


def test_another_prompt_template_is_still_paired(pair):
    assert change(*pair(probe_template="plain"), ("code",)).difference.is_paired


@pytest.mark.parametrize("options", [{"probe_length": 4096}, {"spans": 8}])
def test_no_difference_between_other_lengths_or_numbers_of_spans(pair, options):
    assert change(*pair(**options), ("code",)) is None


def test_no_difference_without_single_scores_or_shared_probes(models):
    assert change(*models, ("code",)) is None
    assert change(*models, ()) is None


def test_the_mean_needs_all_three_probes_with_single_scores(rich, models):
    assert overall(models[0]) is None
    low, high = overall(rich.models[1])
    assert low < rich.models[1].all.avg < high
