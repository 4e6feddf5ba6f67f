"""Scores equal those of each row alone, whatever the batch; models that cannot score are refused."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from in2_plugin.errors import ConfigError, ModelError
from in2_plugin.teaching.rows import GoldOnlyRow
from in2_plugin.teaching.score import HFTeacher, batches
from tests.support.taught import teacher_folder

K = 4


@pytest.fixture(scope="module")
def teacher():
    return HFTeacher.load(str(teacher_folder()), "float32")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    ends = rng.integers(8, 90, 12)
    return [
        GoldOnlyRow(rng.integers(3, 2_000, end).astype(np.uint32), slice(int(end - rng.integers(1, 7)), int(end)))
        for end in ends
    ]


def plain(teacher, row):
    """Return the log-probabilities at the answer of one row, from all logits of the row alone."""
    with torch.no_grad():
        logits = teacher._model(input_ids=torch.from_numpy(row.ids.astype(np.int64))[None]).logits[0]
    return logits[row.answer.start - 1 : row.answer.stop - 1].log_softmax(-1)


@pytest.mark.parametrize("most", [1, 200, 10_000])
def test_scores_are_those_of_each_row_alone(teacher, rows, monkeypatch, most):
    monkeypatch.setattr(teacher, "_batch_tokens", most)
    ids, logprobs = teacher.top(rows, K)
    whole = torch.cat([plain(teacher, row) for row in rows])
    expected = whole.topk(K)
    assert ids.dtype == np.uint32 and logprobs.dtype == np.float32
    np.testing.assert_allclose(logprobs[:, :K], expected.values.numpy(), atol=1e-5)
    rest = whole.scatter(1, expected.indices, -torch.inf).logsumexp(1)
    np.testing.assert_allclose(logprobs[:, K], rest.numpy(), atol=1e-5)
    assert (ids == expected.indices.numpy()).mean() > 0.99  # nearly equal tokens may change places


def test_logits_of_several_answers_of_one_sequence(teacher, rows):
    ids = rows[0].ids
    places = np.array([1, 2, len(ids) - 2])
    with torch.no_grad():
        expected = teacher._model(input_ids=torch.from_numpy(ids.astype(np.int64))[None]).logits[0, places]
    torch.testing.assert_close(teacher.logits([ids], [places]), expected, atol=1e-4, rtol=1e-4)


def test_batches_have_rows_of_similar_length_and_a_limit():
    lengths = [50, 10, 400, 20, 30, 60]
    found = list(batches(lengths, 100))
    assert [[lengths[i] for i in batch] for batch in found] == [[10, 20, 30], [50], [60], [400]]
    assert sorted(i for batch in found for i in batch) == list(range(6))
    assert list(batches([], 100)) == []


def test_a_row_longer_than_the_window_is_refused(teacher):
    long = GoldOnlyRow(np.zeros(2_049, np.uint32), slice(2_000, 2_049))
    with pytest.raises(ConfigError, match="reads at most 2,048 tokens, and a row to score has 2,049"):
        teacher.top([long], K)


def test_a_token_that_the_model_does_not_have_is_refused(teacher):
    row = GoldOnlyRow(np.array([5, 2_000, 7], np.uint32), slice(2, 3))
    with pytest.raises(ConfigError, match=r"has 2,000 tokens, numbered from 0, and the dataset has number 2,000; use"):
        teacher.top([row], K)


def test_as_many_tokens_as_the_vocabulary_has_are_refused(teacher, rows):
    teacher.top(rows[:1], 1_999)
    with pytest.raises(ConfigError, match=r"--top-k 2000: .* has a vocabulary of 2,000 tokens"):
        teacher.top(rows[:1], 2_000)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(
        ModelError, match=r"cannot be loaded as a causal language model .*; give the folder or hub name"
    ):
        HFTeacher.load(str(tmp_path))


def test_facts_of_the_model(teacher):
    assert (teacher.dtype, teacher.window, len(teacher.weights_digest())) == ("float32", 2_048, 64)
    model = SimpleNamespace(eval=lambda: SimpleNamespace(config=SimpleNamespace(get_text_config=SimpleNamespace)))
    assert HFTeacher("m", model, "cpu").window is None
