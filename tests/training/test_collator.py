"""The collator that carries answer codes past another collator."""

import pickle

import numpy as np
import torch
from transformers import DataCollatorForSeq2Seq

from in2_plugin.training.answer_logits import IGNORED, shifted
from in2_plugin.training.collator import AnswerCollator, gathered
from in2_plugin.training.dataset import ANSWERS, EXAMPLE, TEACHER
from in2_plugin.training.distillation.batch import SCORES, unpack

LABELS = torch.tensor([[IGNORED, IGNORED, 7, 7, IGNORED], [IGNORED, IGNORED, IGNORED, IGNORED, 7]])


def items():
    return [{EXAMPLE: 3, ANSWERS: np.array([31, 0])}, {EXAMPLE: 4, ANSWERS: np.array([2])}]


def collate(features):
    return {"labels": LABELS.clone()} if len(features) == 2 else {}


def test_codes_are_aligned_with_the_logits():
    batch = AnswerCollator(collate)(items())
    assert batch[ANSWERS].shape == LABELS.shape
    assert gathered(batch[ANSWERS]).tolist() == [31, 0, 2]
    assert torch.equal(batch[ANSWERS] > 0, shifted(LABELS) != IGNORED)


def test_packed_rows_have_the_codes_of_their_examples():
    packed = AnswerCollator(lambda features: {"labels": LABELS.clone()})([items()])
    assert gathered(packed[ANSWERS]).tolist() == [31, 0, 2]


def test_scores_of_a_teacher_are_in_the_order_of_the_answer_tokens():
    def scored(item, ids):
        ids = np.array(ids, np.uint32)[:, None]
        return {**item, TEACHER: (ids, -np.ones((len(ids), ids.shape[1] + 1), np.float32))}

    one, other = items()
    features = [scored(one, [8, 9]), scored(other, [4])]
    for given in (features, [[dict(feature) for feature in features]]):  # padded, and packed into one row
        batch = AnswerCollator(lambda features: {"labels": LABELS.clone()})([*given])
        assert unpack(batch[SCORES]).ids[:, 0].tolist() == [8, 9, 4]
        assert TEACHER not in batch


def test_a_batch_has_all_codes_or_none():
    assert ANSWERS not in AnswerCollator(collate)([{"input_ids": [1]}])
    cut = AnswerCollator(lambda features: {"labels": LABELS[:, :3]})
    assert ANSWERS not in cut(items())


def test_codes_are_split_with_the_row():
    """The wrapped collator would split its batch before the codes are in it."""

    def split(batch):
        return {name: value[:, 2:] for name, value in batch.items()}

    collate.cp_shard = split
    wrapped = AnswerCollator(collate)
    assert collate.cp_shard is None
    part = wrapped(items())
    assert part["labels"].shape == (2, 3)
    assert gathered(part[ANSWERS]).tolist() == [0, 2]


def test_attributes_are_those_of_the_wrapped_collator():
    def collate(features):
        return {}

    collate.tokenizer = "its own"
    assert AnswerCollator(collate).tokenizer == "its own"


def test_collator_can_be_pickled():
    collator = pickle.loads(pickle.dumps(AnswerCollator(DataCollatorForSeq2Seq(None))))
    assert isinstance(collator.collate, DataCollatorForSeq2Seq)
