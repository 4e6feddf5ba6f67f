"""Sample packing: several examples in one row, none of which sees another."""

import os

import datasets
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, MistralConfig, MistralForCausalLM

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

from axolotl.utils.collators import V2BatchSamplerDataCollatorForSeq2Seq
from axolotl.utils.trainer import add_position_ids

from in2_plugin.training.answer_logits import keep_supervised, token_losses
from in2_plugin.training.axolotl.format import IN2Strategy
from in2_plugin.training.dataset import ANSWERS, LazyExamples
from in2_plugin.training.trainer import AnswerCollator

CHOSEN = (3, 71, 40)
"""Examples of one row: two of the long ones and one more, not in their order."""


@pytest.fixture(scope="module")
def model():
    """In double precision, and with weights so large that attention matters."""
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=32_000, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, sliding_window=None, initializer_range=0.3, attn_implementation="sdpa",
    )  # fmt: skip
    return MistralForCausalLM(config).double().eval()


@pytest.fixture(scope="module")
def lazy(built, mistral):
    return LazyExamples.open([built], mistral, packed=True)


@pytest.fixture(scope="module")
def prepared(built, dataset, tmp_path_factory):
    """The same examples as Axolotl's own preparation writes them."""
    rows = datasets.Dataset.from_parquet(
        str(built / "examples.parquet"), cache_dir=str(tmp_path_factory.mktemp("cache"))
    )
    return IN2Strategy(dataset).wrap_dataset(rows, keep_in_memory=True).map(add_position_ids, keep_in_memory=True)


@pytest.fixture(scope="module")
def collate(mistral_folder):
    tokenizer = AutoTokenizer.from_pretrained(mistral_folder)
    tokenizer.pad_token = tokenizer.eos_token
    return AnswerCollator(V2BatchSamplerDataCollatorForSeq2Seq(tokenizer, pad_to_multiple_of=64))


def packed(collate, examples, numbers) -> dict[str, torch.Tensor]:
    """One row of several examples, as Axolotl makes it for `sdpa`: it leaves the mask to the positions."""
    batch = dict(collate([[examples[number] for number in numbers]]))
    del batch["attention_mask"]
    return batch


def losses(model, batch) -> torch.Tensor:
    """(n_supervised,) loss of each answer token of a batch."""
    inputs = {
        name: value for name, value in keep_supervised(batch).items() if name not in ("labels", ANSWERS, "length")
    }
    targets = inputs.pop("shift_labels")
    with torch.no_grad():
        # as in training: with a cache, transformers takes positions that begin anew for nothing special
        return token_losses(model(**inputs, use_cache=False).logits, targets)


@pytest.fixture(scope="module", params=["lazy", "prepared"])
def examples(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def alone(model, lazy):
    """(n_supervised,) of the chosen examples, each in a batch of its own, without any of Axolotl."""
    each = []
    for number in CHOSEN:
        item = lazy[number]
        row = {name: torch.from_numpy(item[name])[None] for name in ("input_ids", "labels")}
        each.append(losses(model, row))
    return torch.cat(each)


def test_a_packed_example_has_the_loss_that_it_has_alone(model, collate, examples, alone):
    batch = packed(collate, examples, CHOSEN)
    assert batch["input_ids"].shape == (1, -(-sum(len(examples[i]["input_ids"]) for i in CHOSEN) // 64) * 64)
    assert (batch["position_ids"] == 0).sum() > len(CHOSEN)  # the padding is one more
    torch.testing.assert_close(losses(model, batch), alone, rtol=1e-5, atol=1e-5)


def test_without_positions_examples_see_each_other(model, collate, examples, alone):
    batch = packed(collate, examples, CHOSEN)
    del batch["position_ids"]
    mixed = losses(model, batch)
    first = int((np.asarray(examples[CHOSEN[0]]["labels"]) != -100).sum())
    torch.testing.assert_close(mixed[:first], alone[:first], rtol=1e-5, atol=1e-5)
    assert (mixed[first:] - alone[first:]).abs().min() > 1e-3


def test_both_paths_make_the_same_row(collate, lazy, prepared):
    row, other = (packed(collate, examples, CHOSEN) for examples in (lazy, prepared))
    for name in ("input_ids", "labels", "position_ids"):
        assert row[name].tolist() == other[name].tolist()
    assert len(row[ANSWERS]) == (row["labels"] != -100).sum()
