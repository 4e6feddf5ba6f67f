"""The forward pass of a teacher in the step: without dropout, gradients or adapter."""

import numpy as np
import pytest
import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import MistralConfig, MistralForCausalLM

from in2_plugin.errors import ConfigError
from in2_plugin.teaching.rows import GoldOnlyRow
from in2_plugin.teaching.store import TeacherStore
from in2_plugin.training.distillation.batch import GOLD, teacher_batch
from in2_plugin.training.distillation.divergence import LikeliestTokens
from in2_plugin.training.distillation.step import gold_logits, require_initial, require_known_tokens, teacher_of
from in2_plugin.training.options import DistillOptions, TrainingOptions
from tests.support.distillation import Engine, distilled_dataset


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MistralForCausalLM(
        MistralConfig(vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
                      num_key_value_heads=2, attention_dropout=0.5)
    ).train()  # fmt: skip


@pytest.fixture
def gold():
    ids = np.arange(5, 10, dtype=np.uint32)
    return teacher_batch([[GoldOnlyRow(ids, slice(3, 5)), GoldOnlyRow(ids[:3], slice(2, 3))]], 3)[GOLD]


@pytest.mark.parametrize("at_answers", [True, False])
def test_a_teacher_reads_without_dropout_and_gradients(model, gold, at_answers):
    found = gold_logits(model, model, gold, at_answers=at_answers)
    assert model.training and not found.requires_grad
    model.eval()
    expected = [model(input_ids=gold["input_ids"][:1]).logits[0, 2:4],
                model(input_ids=gold["input_ids"][1:, 2:]).logits[0, 1:2]]  # fmt: skip
    torch.testing.assert_close(found, torch.cat(expected))
    engine = Engine(model)
    gold_logits(engine, model, gold, at_answers=at_answers)
    assert engine.training and not model.training


def test_top_k_of_a_teacher_in_the_step(model, gold):
    def found(top_k):
        options = TrainingOptions(objective="both", distill=DistillOptions(teacher="current", top_k=top_k))
        return teacher_of(model, model, {GOLD: gold}, options)

    logits, few = found(None), found(4)
    assert isinstance(few, LikeliestTokens) and few.ids.shape == (3, 4)
    assert torch.equal(few.ids[:, 0], logits.argmax(-1))
    assert torch.equal(found(64), logits)


def test_scores_of_tokens_that_the_model_does_not_have_are_refused(model):
    store = TeacherStore.open(distilled_dataset(), "initial")  # of a model with 2,000 tokens
    with pytest.raises(ConfigError, match=r"teacher/initial: has scores of token number .* has 64 tokens, number"):
        require_known_tokens(model, [store])
    model.config.vocab_size = 2_000
    require_known_tokens(model, [store, store.rows])


def test_a_model_without_an_adapter_is_not_the_model_before_training(model, gold):
    with pytest.raises(ConfigError, match="the model before training is not in memory: this adapter cannot be"):
        teacher_of(model, model, {GOLD: gold}, TrainingOptions(objective="both"))


ADAPTERS = [
    ({}, None),
    ({"init_lora_weights": "orthogonal"}, None),
    ({"init_lora_weights": "pissa"}, "`init_lora_weights: pissa` changes the weights of the model"),
    ({"init_lora_weights": "olora"}, "`init_lora_weights: olora` changes the weights of the model"),
    ({"init_lora_weights": False}, "the adapter is not zero at the start, as it is if it was trained before"),
    ({"bias": "all"}, "the adapter trains biases of the model"),
]


@pytest.mark.parametrize(("settings", "reason"), ADAPTERS)
def test_adapters_that_are_not_the_model_before_training_are_refused_at_the_start(model, settings, reason):
    config = LoraConfig(task_type=TaskType.CAUSAL_LM, r=2, target_modules=["q_proj"], **settings)
    adapted = get_peft_model(model, config)
    options = TrainingOptions(objective="both")
    if reason is None:
        require_initial(adapted, [None], options)
        return
    with pytest.raises(ConfigError, match=f"the model before training is not in memory: {reason} .store its scores"):
        require_initial(adapted, [None], options)
    require_initial(adapted, [], options)
    require_initial(adapted, [None], TrainingOptions(objective="both", distill=DistillOptions(teacher="current")))
