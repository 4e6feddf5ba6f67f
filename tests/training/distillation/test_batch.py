"""Stored scores and gold rows as tensors of a batch."""

import numpy as np
import pytest
import torch

from in2_plugin.errors import ConfigError
from in2_plugin.teaching.rows import GoldOnlyRow
from in2_plugin.training.answer_logits import IGNORED, keep_supervised
from in2_plugin.training.distillation.batch import GOLD, SCORES, teacher_batch, unpack


def scores(n, k, first):
    """Return n rows of k token ids and k + 1 log-probabilities."""
    ids = np.arange(first, first + n * k, dtype=np.uint32).reshape(n, k)
    return ids, -np.arange(first, first + n * (k + 1), dtype=np.float32).reshape(n, k + 1) / 7


def test_scores_come_back_with_all_their_bits():
    batch = teacher_batch([scores(3, 4, 100), scores(2, 4, 200)], 5)
    assert batch[SCORES].shape == (5, 2, 5) and not batch[SCORES].is_floating_point()
    found = unpack(batch[SCORES])
    ids, logprobs = (np.concatenate(both) for both in zip(scores(3, 4, 100), scores(2, 4, 200), strict=True))
    assert np.array_equal(found.ids.numpy(), ids.astype(np.int64))
    assert np.array_equal(found.logprobs.numpy(), logprobs)
    assert found.first(2).ids.shape == (5, 2) and len(found) == 5


def test_datasets_with_more_stored_tokens_are_cut_to_the_fewest():
    found = unpack(teacher_batch([scores(3, 4, 1), scores(2, 6, 1)], 5)[SCORES])
    assert found.ids.shape == (5, 4) and found.logprobs.shape == (5, 5)
    np.testing.assert_allclose(found.logprobs[3:, 4], np.log(np.exp(scores(2, 6, 1)[1][:, 4:]).sum(1)), rtol=1e-5)


def row(n, answer):
    return GoldOnlyRow(np.arange(10, 10 + n, dtype=np.uint32), slice(n - answer, n))


def test_gold_rows_are_padded_on_the_left():
    gold = teacher_batch([[row(4, 1)], [row(3, 2), row(5, 1)]], 4)[GOLD]
    assert gold["input_ids"].tolist() == [[0, 10, 11, 12, 13], [0, 0, 10, 11, 12], [10, 11, 12, 13, 14]]
    assert gold["attention_mask"].sum(1).tolist() == [4, 3, 5]
    assert gold["position_ids"][:2].tolist() == [[0, 0, 1, 2, 3], [0, 0, 0, 1, 2]]
    assert gold["labels"][1].tolist() == [IGNORED, IGNORED, IGNORED, 11, 12]
    assert (gold["labels"] != IGNORED).sum(1).tolist() == [1, 2, 1]
    assert {tensor.dtype for tensor in gold.values()} == {torch.int64}


def test_logits_of_gold_rows_do_not_grow_with_their_different_lengths():
    """On the right, these rows would need logits at 3 positions each, and 50 rows at 150."""
    gold = teacher_batch([[row(n, 3)] for n in range(10, 160, 3)], 150)[GOLD]
    assert len(keep_supervised(gold)["logits_to_keep"]) == 3


@pytest.mark.parametrize("taught", [[scores(3, 4, 1)], [[row(5, 3)]]])
def test_missing_answer_tokens_are_refused(taught):
    with pytest.raises(ConfigError, match="returned 2 answer tokens of examples that have 3"):
        teacher_batch(taught, 2)
