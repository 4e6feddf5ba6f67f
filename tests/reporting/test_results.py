from dataclasses import replace

import pytest

from in2_plugin.probing.position.scores import PositionScores, ScoredAnswer
from in2_plugin.reporting.read_results import read_models
from in2_plugin.reporting.results import ProbeKey, shared_tasks
from tests.support import lm_eval_results as made

CODE = made.paper_spans("FILM")["code"]


def models_at(tmp_path, *lengths):
    """Return one model per group of lengths of the code probe."""
    for i, group in enumerate(lengths):
        value = made.content(f"org/m{i}", {})
        for length in group:
            made.add(value, f"val_probe_code_{length}k", made.drawn_sets(CODE, 64, i), probe_length=1024 * length)
        made.write(tmp_path / str(i), value)
    return read_models([tmp_path / str(i) for i in range(len(lengths))])


@pytest.mark.parametrize(
    ("lengths", "chosen"),
    [
        ([(4, 32, 128)], [32]),
        ([(4, 8)], [8]),
        ([(4, 32, 64), (32, 64)], [32, 32]),
        ([(4, 32), (4, 8)], [4, 4]),
        ([(4, 8, 16), (8, 16, 32)], [16, 16]),
        ([(4, 8), (16, 32)], [8, 32]),
        ([(), (4, 8)], [8]),
    ],
)
def test_the_representative_length_is_common_to_all_models(tmp_path, lengths, chosen):
    models = models_at(tmp_path, *lengths)
    assert [model.tasks["code"].key.length // 1024 for model in models if model.tasks] == chosen


def test_families_and_tasks_are_in_order_of_length(tmp_path):
    (model,) = models_at(tmp_path, (64, 4, 8))
    assert [result.key.length for result in model.of_family("")] == [4096, 8192, 65536]
    assert model.of_family("", "document") == model.of_family("matrix") == ()


def test_depths_of_a_position_probe_are_those_of_its_golds(models):
    result = models[0].tasks["code"]
    assert result.depths[0] == pytest.approx(0.5 / 16)
    answers = tuple(ScoredAnswer(0, 4_096, d, "fine_grained", (d / 2,), 1.0, 1.0) for d in range(3))
    key = ProbeKey("", "niah_single", None, 4_096)
    placed = replace(result, key=key, position=PositionScores("0" * 16, 3, None, answers), spans=(1.0, 1.0, 1.0))
    assert placed.depths == (0.0, 0.5, 1.0)


def test_only_probes_that_all_models_have_are_shared(models, tmp_path):
    assert shared_tasks(models) == ("document", "code", "database")
    assert shared_tasks((*models, *models_at(tmp_path, (32,)))) == ("code",)


def test_the_mean_over_all_probes_needs_every_probe(models, tmp_path):
    assert models[0].all == models[0].mean(("document", "code", "database"))
    (alone,) = models_at(tmp_path, (32,))
    assert alone.all is None
    assert alone.missing == ("document", "database")
