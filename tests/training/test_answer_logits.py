"""Logits only at answers give the same loss and gradients as all logits."""

import pytest
import torch
from torch.nn import functional
from transformers import MistralConfig, MistralForCausalLM, Qwen3Config, Qwen3ForCausalLM

from in2_plugin.training.answer_logits import (
    IGNORED,
    example_numbers,
    keep_supervised,
    supervised_examples,
    token_losses,
    with_shift_labels,
)

SHAPE = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128}  # fmt: skip


def model_of(kind):
    torch.manual_seed(0)
    if kind == "mistral":
        return MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=None))
    return Qwen3ForCausalLM(Qwen3Config(**SHAPE, head_dim=8, tie_word_embeddings=True))


def batch(rows=3, n=40, seed=1):
    """Return rows of different lengths, padded on the right, with one or two answers each."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 96, (rows, n), generator=generator)
    labels = torch.full_like(ids, IGNORED)
    mask = torch.ones_like(ids)
    for row in range(rows):
        stop = n - 4 * row
        for start in (10 + row, stop - 6):
            labels[row, start : start + 3 + row] = ids[row, start : start + 3 + row]
        mask[row, stop:] = 0
        labels[row, stop:] = IGNORED
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def gradients(model, inputs):
    model.zero_grad()
    loss = model(**inputs).loss
    loss.backward()
    return loss.detach(), [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize("kind", ["mistral", "qwen3"])
@pytest.mark.parametrize("n_items", [None, 50])
def test_loss_and_gradients_equal_those_of_all_logits(kind, n_items):
    model, inputs = model_of(kind), batch()
    items = {} if n_items is None else {"num_items_in_batch": torch.tensor(n_items)}
    whole, whole_gradients = gradients(model, {**inputs, **items})
    kept, kept_gradients = gradients(model, {**keep_supervised(inputs), **items})
    assert kept == pytest.approx(whole.item(), rel=1e-6)
    for one, other in zip(kept_gradients, whole_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_logits_have_fewer_rows_than_tokens():
    model, inputs = model_of("mistral"), batch()
    logits = model(**keep_supervised(inputs)).logits
    supervised = (inputs["labels"][:, 1:] != IGNORED).any(0).sum()
    assert logits.shape == (3, supervised, 96) and supervised < 20


def test_batch_without_labels_is_connected_to_every_parameter():
    model, inputs = model_of("mistral"), batch()
    inputs["labels"][:] = IGNORED
    loss = model(**keep_supervised(inputs), num_items_in_batch=torch.tensor(7)).loss
    loss.backward()
    assert loss == 0
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


def test_token_losses_are_in_row_order():
    model, inputs = model_of("mistral"), batch()
    kept = keep_supervised(inputs)
    losses = token_losses(model(**kept).logits, kept["shift_labels"])
    logits = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    expected = [
        functional.cross_entropy(logits[row, i - 1], inputs["labels"][row, i])
        for row in range(3) for i in range(1, 40) if inputs["labels"][row, i] != IGNORED
    ]  # fmt: skip
    torch.testing.assert_close(losses, torch.stack(expected))


def test_examples_of_packed_rows_are_numbered():
    labels = torch.full((2, 8), IGNORED)
    labels[0, [1, 2, 6]] = 1
    labels[1, 5] = 1
    positions = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5, 0, 1]])
    packed = {"labels": labels, "position_ids": positions}
    assert example_numbers(packed).tolist() == [[0] * 4 + [1] * 4, [2] * 6 + [3] * 2]
    assert supervised_examples(packed).tolist() == [0, 0, 1, 2]
    assert supervised_examples({"labels": labels}).tolist() == [0, 0, 0, 1]


def test_shift_labels_keep_every_target_when_a_row_is_split():
    """Split a row in two, as context parallelism does; the target at the border must not be lost."""
    model, inputs = model_of("mistral"), batch(rows=1)
    inputs["labels"][:] = IGNORED
    inputs["labels"][0, 17:23] = inputs["input_ids"][0, 17:23]
    aligned = with_shift_labels(inputs)
    counted = {"labels": 0, "shift_labels": 0}
    for half in (slice(0, 20), slice(20, 40)):
        counted["labels"] += int((aligned["labels"][:, half][:, 1:] != IGNORED).sum())
        counted["shift_labels"] += int((aligned["shift_labels"][:, half] != IGNORED).sum())
    assert counted == {"labels": 5, "shift_labels": 6}
    assert model(**aligned).loss.item() == pytest.approx(model(**inputs).loss.item(), rel=1e-6)
