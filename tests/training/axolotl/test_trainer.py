"""How logits are computed under a config, and which trainer is used."""

import os

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")

from axolotl.core.trainers.base import AxolotlTrainer
from transformers import Trainer

from in2_plugin.errors import ConfigError
from in2_plugin.training.axolotl.args import IN2Options
from in2_plugin.training.axolotl.trainer import choose_logits, normalizes_across_ranks, refuse_conflicts, trainer_class
from in2_plugin.training.trainer import IN2Trainer
from tests.support.axolotl_hosts import pretend


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
    ({}, "auto", True, "only at answer tokens"),
    ({}, True, True, "only at answer tokens"),
    ({}, False, False, "as set by `answer_logits_only: false`"),
    ({"cut_cross_entropy": True}, "auto", False, "computed by Cut Cross Entropy"),
    ({"cut_cross_entropy": True}, True, True, "only at answer tokens"),
    ({"liger_fused_linear_cross_entropy": True}, "auto", False, "computed by Liger"),
    ({"label_smoothing_factor": 0.1}, "auto", False, "label smoothing"),
    ({"use_dft": True}, "auto", False, "`use_dft: true` uses the logits and labels of the whole row"),
    ({"use_eaft": True}, "auto", False, "`use_eaft: true`"),
]


WEIGHTED = [
    IN2Options(loss_normalization="example"),
    IN2Options(answer_weighting="question"),
    IN2Options(objective="both"),
]
LAZY = {"datasets": [{"path": "a", "type": "in2"}]}


@pytest.mark.parametrize("options", WEIGHTED)
@pytest.mark.parametrize("name", ["cut_cross_entropy", "liger_fused_linear_cross_entropy"])
def test_weighted_tokens_do_not_use_a_fused_kernel(name, options):
    choice = choose_logits(options, {name: True, **LAZY}, tiny())
    assert choice.at_answers


@pytest.mark.parametrize("options", WEIGHTED)
@pytest.mark.parametrize("cfg", [{"context_parallel_size": 2}, {"label_smoothing_factor": 0.1}])
def test_conflicts_of_weighted_tokens_are_refused(cfg, options):
    with pytest.raises(ConfigError, match=f"`{options.own_loss}` is not possible: .*; set it to `(token|answer)`"):
        refuse_conflicts(options, {**cfg, **LAZY})


@pytest.mark.parametrize(
    ("lazy", "cfg", "reason"),
    [
        (False, {}, "`lazy: false` is set, and prepared examples do not carry the openings of their answers"),
        ("auto", {"datasets": [{"path": "a", "type": "alpaca"}]}, "a is not of `type: in2`, and prepared examples"),
    ],
)
def test_openings_need_lazy_examples(lazy, cfg, reason):
    options = IN2Options(lazy=lazy, answer_weighting="opening")
    with pytest.raises(ConfigError, match=f"`answer_weighting: opening` is not possible: {reason}"):
        refuse_conflicts(options, cfg)
    refuse_conflicts(IN2Options(lazy=lazy, answer_weighting="question"), cfg)
    refuse_conflicts(IN2Options(answer_weighting="opening"), {"datasets": [{"path": "a", "type": "in2"}]})


def test_a_teacher_needs_lazy_examples_and_our_trainer():
    options = IN2Options(objective="distill")
    prepared = "`objective: distill` is not possible: there is no dataset, and prepared examples do not carry what a te"
    with pytest.raises(ConfigError, match=prepared):
        refuse_conflicts(options, {})
    refuse_conflicts(options, LAZY)
    with pytest.raises(ConfigError, match="`objective: distill` is not possible: `trainer_cls:` selects another"):
        trainer_class({"trainer_cls": "x"}, options)


def test_models_whose_tokens_cannot_be_weighted_are_refused():
    model = tiny()
    model.config.output_router_logits = True
    with pytest.raises(ConfigError, match="`answer_weighting: question` is not possible: the model adds the router"):
        choose_logits(IN2Options(answer_weighting="question"), {}, model)
    assert choose_logits(IN2Options(), {}, model).at_answers


@pytest.mark.parametrize(("cfg", "option", "at_answers", "sentence"), CHOICES)
def test_choice_and_its_log_sentence(cfg, option, at_answers, sentence):
    choice = choose_logits(IN2Options(answer_logits_only=option), cfg, tiny())
    assert choice.at_answers is at_answers and sentence in choice.sentence


def test_model_without_logits_to_keep_falls_back():
    choice = choose_logits(IN2Options(), {}, tiny(WithoutArgument))
    assert not choice.at_answers and "the forward of WithoutArgument has no `logits_to_keep`" in choice.sentence
    with pytest.raises(ConfigError, match="`answer_logits_only: true` is not possible: the forward of WithoutArgument"):
        choose_logits(IN2Options(answer_logits_only=True), {}, tiny(WithoutArgument))


def test_logits_under_context_parallelism(monkeypatch, tmp_path):
    for version, at_answers in (("0.19", False), ("0.21", True)):
        pretend(monkeypatch, tmp_path, version)
        assert choose_logits(IN2Options(), {"context_parallel_size": 2}, tiny()).at_answers is at_answers


def test_conflicts_are_refused_before_the_model_is_loaded(monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, "0.19")
    refuse_conflicts(IN2Options(), {"context_parallel_size": 2})
    with pytest.raises(ConfigError, match="context parallelism splits rows inside the model"):
        refuse_conflicts(IN2Options(answer_logits_only=True), {"context_parallel_size": 2})


def test_methods_resolve_in_axolotl_then_in_ours():
    order = trainer_class({}, IN2Options()).__mro__
    assert order.index(AxolotlTrainer) < order.index(IN2Trainer) < order.index(Trainer)


@pytest.mark.parametrize("name", ["rl", "reward_model", "process_reward_model", "trainer_cls"])
def test_other_trainers_are_not_changed(name):
    assert trainer_class({name: "something"}, IN2Options()) is None


@pytest.mark.parametrize(
    ("version", "cfg", "normalizes"),
    [
        ("0.19", {}, True),
        ("0.19", {"context_parallel_size": 1}, True),
        ("0.19", {"context_parallel_size": 4}, False),
        ("0.21", {"context_parallel_size": 4}, True),
        ("0.21", {"rl": "dpo"}, False),
    ],
)
def test_loss_is_normalized_across_ranks_by_our_trainer(monkeypatch, tmp_path, version, cfg, normalizes):
    pretend(monkeypatch, tmp_path, version)
    assert normalizes_across_ranks(cfg) is normalizes
