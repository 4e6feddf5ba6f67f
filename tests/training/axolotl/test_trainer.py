"""Which way logits are computed under a configuration, and which trainer is taken."""

import os

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

from axolotl.core.trainers.base import AxolotlTrainer
from transformers import Trainer

from in2_plugin.errors import ConfigError
from in2_plugin.training.axolotl.args import IN2Options, options_of
from in2_plugin.training.axolotl.trainer import choose_logits, divides_over_ranks, refuse_impossible, trainer_class
from in2_plugin.training.trainer import IN2Trainer


def tiny(kind=MistralForCausalLM):
    torch.manual_seed(0)
    return kind(
        MistralConfig(vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
                      num_key_value_heads=2)
    )  # fmt: skip


class WithoutArgument(MistralForCausalLM):
    def forward(self, input_ids=None, labels=None, **kwargs):
        return super().forward(input_ids=input_ids, labels=labels, **kwargs)


CHOICES = [
    ({}, "auto", True, "at answer tokens alone"),
    ({}, True, True, "at answer tokens alone"),
    ({}, False, False, "as `answer_logits_only: false` asks"),
    ({"cut_cross_entropy": True}, "auto", False, "left to Cut Cross Entropy"),
    ({"cut_cross_entropy": True}, True, True, "at answer tokens alone"),
    ({"liger_fused_linear_cross_entropy": True}, "auto", False, "left to Liger"),
    ({"context_parallel_size": 2}, "auto", False, "context parallelism"),
    ({"label_smoothing_factor": 0.1}, "auto", False, "label smoothing"),
]


@pytest.mark.parametrize("name", ["cut_cross_entropy", "liger_fused_linear_cross_entropy"])
def test_a_loss_by_example_is_not_left_to_a_kernel(name):
    choice = choose_logits(IN2Options(loss_normalization="example"), {name: True}, tiny())
    assert choice.at_answers


@pytest.mark.parametrize("cfg", [{"context_parallel_size": 2}, {"label_smoothing_factor": 0.1}])
def test_a_loss_by_example_that_cannot_be_had_is_refused(cfg):
    with pytest.raises(ConfigError, match=r"`loss_normalization: example` cannot be had: .*; set it to `token`"):
        refuse_impossible(IN2Options(loss_normalization="example"), cfg)


@pytest.mark.parametrize(("cfg", "asked", "at_answers", "said"), CHOICES)
def test_the_way_is_chosen_and_said(cfg, asked, at_answers, said):
    choice = choose_logits(IN2Options(answer_logits_only=asked), cfg, tiny())
    assert choice.at_answers is at_answers and said in choice.sentence


def test_a_model_without_the_argument_falls_back():
    choice = choose_logits(IN2Options(), {}, tiny(WithoutArgument))
    assert not choice.at_answers and "the forward of WithoutArgument has no `logits_to_keep`" in choice.sentence
    with pytest.raises(ConfigError, match="`answer_logits_only: true` cannot be had: the forward of WithoutArgument"):
        choose_logits(IN2Options(answer_logits_only=True), {}, tiny(WithoutArgument))


def test_what_cannot_be_had_is_refused_before_the_model_is_there():
    refuse_impossible(IN2Options(), {"context_parallel_size": 2})
    with pytest.raises(ConfigError, match="under context parallelism"):
        refuse_impossible(IN2Options(answer_logits_only=True), {"context_parallel_size": 2})


def test_methods_are_axolotls_then_ours():
    order = trainer_class({}, IN2Options()).__mro__
    assert order.index(AxolotlTrainer) < order.index(IN2Trainer) < order.index(Trainer)


@pytest.mark.parametrize("name", ["rl", "reward_model", "process_reward_model", "trainer_cls"])
def test_other_trainers_are_left_alone(name):
    assert trainer_class({name: "something"}, IN2Options()) is None


@pytest.mark.parametrize(
    ("cfg", "divides"),
    [({}, True), ({"context_parallel_size": 1}, True), ({"context_parallel_size": 4}, False), ({"rl": "dpo"}, False)],
)
def test_losses_are_divided_over_ranks_where_rows_are_whole_and_the_trainer_ours(cfg, divides):
    assert divides_over_ranks(cfg) is divides


def test_options_need_not_be_given():
    class Cfg:
        in2 = None

    assert options_of(Cfg()) == IN2Options()
    Cfg.in2 = {"loss_normalization": "example", "lazy": True}
    assert options_of(Cfg()) == IN2Options(loss_normalization="example", lazy=True)
