"""The collator that carries answer codes past another collator."""

import pickle

import numpy as np
import torch
from transformers import DataCollatorForSeq2Seq

from in2_plugin.training.collator import AnswerCollator
from in2_plugin.training.dataset import ANSWERS, EXAMPLE


def test_collator_keeps_answer_codes_and_attributes():
    def collate(features):
        return {"n": torch.tensor([len(features)])}

    collate.tokenizer = "its own"
    collator = AnswerCollator(collate)
    items = [{EXAMPLE: 3, ANSWERS: np.array([1, 1])}, {EXAMPLE: 4, ANSWERS: np.array([2])}]
    assert collator([dict(item) for item in items])[ANSWERS].tolist() == [1, 1, 2]
    assert collator([[dict(item) for item in items]])[ANSWERS].tolist() == [1, 1, 2]
    assert ANSWERS not in collator([{"input_ids": [1]}])
    assert collator.tokenizer == "its own"


def test_collator_can_be_pickled():
    collator = pickle.loads(pickle.dumps(AnswerCollator(DataCollatorForSeq2Seq(None))))
    assert isinstance(collator.collate, DataCollatorForSeq2Seq)
