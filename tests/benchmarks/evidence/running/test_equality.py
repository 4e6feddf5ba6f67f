"""Arms are counted in their data, and arms that are not comparable are refused."""

from dataclasses import replace

import pytest

from benchmarks.evidence.running.equality import Counts, count, require_comparable, shared_questions, steps_of
from benchmarks.evidence.study import load_study
from in2_plugin.errors import ConfigError
from tests.support.small_study import write_study

EVEN = Counts(8, 16, 4, 8_000, 400, (4, 3, 3, 3, 3), frozenset({"a", "b"}))
ENDS = replace(EVEN, gold_by_fifth=(8, 0, 0, 0, 8))


@pytest.fixture
def study(tmp_path):
    return load_study(write_study(tmp_path / "study.yml", tolerance=0.02))


def test_a_finished_dataset_is_counted(built, dataset):
    found = count(built, {"per_device_train_batch_size": 4, "num_train_epochs": 1})
    rows = list(dataset.rows())
    assert (found.examples, found.steps) == (len(rows), -(-len(rows) // 4))
    assert found.tokens == sum(row["n_tokens"] for row in rows)
    assert found.answer_tokens == sum(row["n_answer_tokens"] for row in rows)
    assert found.questions == sum(len(row["turns"]) for row in rows)
    assert sum(found.gold_by_fifth) == sum(len(turn["gold"]) for row in rows for turn in row["turns"])


@pytest.mark.parametrize(
    ("training", "steps"),
    [
        ({"per_device_train_batch_size": 2, "num_train_epochs": 1}, 5),
        ({"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "num_train_epochs": 2}, 6),
        ({"per_device_train_batch_size": 2, "max_steps": 7}, 7),
        ({}, 6),
    ],
)
def test_steps_are_those_of_the_trainer(training, steps):
    assert steps_of(10, training) == steps


def test_equal_arms_pass(study):
    require_comparable(study, {"edges": ENDS, "uniform": replace(EVEN, answer_tokens=406, tokens=1)})


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ({"edges": ENDS, "uniform": replace(EVEN, questions=15)}, "edges and uniform have 16 and 15 questions"),
        ({"edges": ENDS, "uniform": replace(EVEN, steps=5)}, "edges and uniform have 4 and 5 steps"),
        ({"edges": ENDS, "uniform": replace(EVEN, answer_tokens=420)}, "400 and 420 answer tokens"),
        ({"edges": EVEN}, r"arm edges has 9 of 16 golds outside of `gold_in_fifths: \[0, 4\]`"),
        ({"uniform": ENDS}, "arm uniform has no gold in fifth 1"),
    ],
)
def test_arms_that_differ_are_refused(study, arms, said):
    with pytest.raises(ConfigError, match=said):
        require_comparable(study, arms)


def test_shared_questions_are_a_share_of_all():
    other = replace(EVEN, asked=frozenset({"b", "c"}))
    assert shared_questions({"edges": EVEN, "uniform": other}) == pytest.approx(1 / 3)
