"""The dataset format, and packed rows: lazy and prepared examples are equal, and packed examples are isolated."""

import os

import datasets
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, MistralConfig, MistralForCausalLM

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

from axolotl.utils.collators import V2BatchSamplerDataCollatorForSeq2Seq
from axolotl.utils.trainer import add_position_ids

from in2_plugin.dataset.reader import revision_of
from in2_plugin.errors import ConfigError
from in2_plugin.training.answer_logits import keep_supervised, token_losses
from in2_plugin.training.axolotl.format import IN2Strategy, exit_with, load, require_revision, require_room
from in2_plugin.training.collator import AnswerCollator, gathered
from in2_plugin.training.dataset import ANSWERS, LazyExamples

PACKED = (3, 71, 40)
"""Examples of one row: two long ones and another, not in dataset order."""


@pytest.fixture(scope="module")
def model():
    """A model in double precision, with weights large enough that attention matters."""
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
    """The same examples, as Axolotl's own preparation writes them."""
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
    """Return one packed row as Axolotl builds it for `sdpa`, without an attention mask."""
    batch = dict(collate([[examples[number] for number in numbers]]))
    del batch["attention_mask"]
    return batch


def losses(model, batch) -> torch.Tensor:
    """Return (n_supervised,) the loss of each answer token of a batch."""
    inputs = {
        name: value for name, value in keep_supervised(batch).items() if name not in ("labels", ANSWERS, "length")
    }
    targets = inputs.pop("shift_labels")
    with torch.no_grad():
        # as in training: with a cache, transformers ignores that positions restart
        return token_losses(model(**inputs, use_cache=False).logits, targets)


@pytest.fixture(scope="module", params=["lazy", "prepared"])
def examples(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def alone(model, lazy):
    """Losses of the packed examples, each alone in a batch, without Axolotl."""
    each = []
    for number in PACKED:
        item = lazy[number]
        row = {name: torch.from_numpy(item[name])[None] for name in ("input_ids", "labels")}
        each.append(losses(model, row))
    return torch.cat(each)


def test_packed_examples_have_the_loss_of_single_examples(model, collate, examples, alone):
    batch = packed(collate, examples, PACKED)
    assert batch["input_ids"].shape == (1, -(-sum(len(examples[i]["input_ids"]) for i in PACKED) // 64) * 64)
    assert (batch["position_ids"] == 0).sum() > len(PACKED)  # padding counts as one more
    torch.testing.assert_close(losses(model, batch), alone, rtol=1e-5, atol=1e-5)


def test_without_position_ids_packed_examples_attend_to_each_other(model, collate, examples, alone):
    batch = packed(collate, examples, PACKED)
    del batch["position_ids"]
    mixed = losses(model, batch)
    first = int((np.asarray(examples[PACKED[0]]["labels"]) != -100).sum())
    torch.testing.assert_close(mixed[:first], alone[:first], rtol=1e-5, atol=1e-5)
    assert (mixed[first:] - alone[first:]).abs().min() > 1e-3


def test_lazy_and_prepared_rows_are_equal(collate, lazy, prepared):
    row, other = (packed(collate, examples, PACKED) for examples in (lazy, prepared))
    for name in ("input_ids", "labels", "position_ids"):
        assert row[name].tolist() == other[name].tolist()
    assert len(gathered(row[ANSWERS])) == (row["labels"] != -100).sum()


def test_sequence_len_must_fit_the_longest_example(built, dataset):
    longest = dataset.manifest.longest
    require_room("data", dataset.manifest, longest)
    with pytest.raises(ConfigError, match=rf"is too short for data, .*; set `sequence_len: {longest}` or more"):
        require_room("data", dataset.manifest, longest - 1)


def test_an_entry_names_the_present_revision_where_rows_are_prepared(built):
    """Axolotl finds rows prepared from an earlier build by the entry alone, and calls nothing of ours."""
    entry = {"path": str(built), "revision": "of an earlier build"}
    with pytest.raises(ConfigError, match=r"names revision of an earlier build, not the present revision"):
        require_revision({}, entry)
    require_revision({"skip_prepare_dataset": True}, entry)
    require_revision({"dataset_prepared_path": "prepared"}, {**entry, "revision": revision_of(built)})


def test_load_returns_a_strategy_or_exits_with_one_sentence(built, mistral_folder):
    tokenizer = AutoTokenizer.from_pretrained(mistral_folder)
    entry = {"path": str(built), "revision": revision_of(built)}
    assert isinstance(load(tokenizer, {"sequence_len": 4_096}, entry), IN2Strategy)
    with pytest.raises(SystemExit, match=r"^in2: `sequence_len: 64` is too short"):
        load(tokenizer, {"sequence_len": 64}, {"path": str(built)})
    with pytest.raises(
        SystemExit, match=rf"does not name the present revision, .* set `revision: {revision_of(built)}`"
    ):
        load(tokenizer, {"sequence_len": 4_096}, {"path": str(built)})
    with pytest.raises(SystemExit, match=r"^in2: reason$"):
        exit_with(ConfigError("reason"))
