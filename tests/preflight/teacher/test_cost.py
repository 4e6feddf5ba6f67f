"""What a teacher adds: by hand for one layer and one question, and upper bounds for a batch."""

from dataclasses import replace

import numpy as np
import pytest

from in2_plugin.preflight.costs import GPUS, ModelShape, Setup, layer_bytes, memory
from in2_plugin.preflight.estimate import RunEstimate
from in2_plugin.preflight.teacher.cost import teacher_cost, with_teacher
from in2_plugin.teaching.rows import GoldOnlyRows
from in2_plugin.teaching.store import TeacherStore
from in2_plugin.training.options import DistillOptions
from tests.support.distillation import distilled_dataset
from tests.support.preflight_cases import summary

SHAPE = ModelShape(2, 64, 4, 2, 16, 128, 1_000, 200_000, 200_000)
CURRENT = DistillOptions(teacher="current")


@pytest.fixture(scope="module")
def rows():
    return GoldOnlyRows(distilled_dataset())


def test_lengths_and_the_largest_example(rows):
    each = [[len(row.ids) for row in rows.of(example)] for example in range(len(rows))]
    assert rows.lengths.tolist() == [n for one in each for n in one]
    questions, longest = rows.largest
    assert questions * longest == max(len(one) * max(one) for one in each)


def test_memory_of_stored_scores(rows):
    setup = Setup(micro_batch=2, logits="answers")
    need = memory(SHAPE, setup, 1_024, 50)
    found = with_teacher(need, [TeacherStore.open(rows.dataset, "initial")], SHAPE, setup, 50)
    assert found == replace(need, teacher=50 * 2 * 1_000 * 12) and found.total == need.total + found.teacher


def test_memory_of_a_teacher_in_the_step(rows):
    setup, (questions, longest) = Setup(logits="answers"), rows.largest
    need = memory(SHAPE, setup, 1_024, 50)
    assert with_teacher(need, [rows], SHAPE, setup, 50).teacher == 50 * 1_000 * (2 + 12)
    short = replace(need, activations=1.0)
    passing = layer_bytes(SHAPE, setup, longest) * questions
    assert with_teacher(short, [rows], SHAPE, setup, 50).activations == passing
    everywhere = replace(setup, logits="all")
    assert with_teacher(need, [rows], SHAPE, everywhere, 50).teacher == 1_000 * (questions * longest * 2 + 50 * 12)


def test_time_is_a_forward_pass_over_the_gold_rows_of_each_epoch(rows):
    data = summary(lengths=np.array([600, 400]), answers=np.array([5, 5]))
    run = RunEstimate(2, 3.0, 3, 2, 1_000, 10, 3_000, 0.5, True, 0.4, 100.0)
    found = teacher_cost([rows], CURRENT, SHAPE, Setup(gpus=2), GPUS["A100-80G"], [data], run)
    pairs = sum(len(row.ids) ** 2 for example in range(len(rows)) for row in rows.of(example))
    operations = 3 * 2 * (rows.n_tokens * 200_000 + pairs * 2 * 64)
    assert found.seconds == pytest.approx(operations / (2 * 312e12 * 0.4 * 0.5))
    assert found.gold_tokens == rows.n_tokens


def test_a_run_of_unknown_length_has_a_teacher_of_unknown_cost(rows):
    found = teacher_cost([rows], CURRENT, SHAPE, Setup(), GPUS["A100-80G"], [summary()], None)
    assert found.seconds is None and found.gold_tokens == rows.n_tokens
