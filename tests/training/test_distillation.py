"""IN2Trainer with a teacher, on top of transformers' own Trainer: loss, gradients, log and refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    DataCollatorWithFlattening,
    TrainingArguments,
)

from in2_plugin.errors import ConfigError
from in2_plugin.teaching.rows import GoldOnlyRows
from in2_plugin.training.dataset import EXAMPLE, LazyExamples
from in2_plugin.training.distillation.teachers import is_in_step, open_teachers
from in2_plugin.training.options import DistillOptions, TrainingOptions
from in2_plugin.training.trainer import IN2Trainer
from tests.support.distillation import Engine, distilled_dataset, plain_gold_logits, plain_objective, stored_teacher
from tests.support.plain_loss import plain_teacher
from tests.support.taught import teacher_folder


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(teacher_folder())


@pytest.fixture(scope="module")
def examples(tokenizer):
    return LazyExamples.open([distilled_dataset()], tokenizer)


def model_of(adapter=False):
    model = AutoModelForCausalLM.from_pretrained(teacher_folder(), dtype=torch.float32)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.mul_(2)  # so that contexts matter more
    if not adapter:
        return model
    from peft import LoraConfig, TaskType, get_peft_model

    torch.manual_seed(0)
    config = LoraConfig(task_type=TaskType.CAUSAL_LM, r=2, target_modules=["q_proj", "v_proj"], lora_dropout=0.0)
    model = get_peft_model(model, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # as after some steps: with zeros the adapter would change nothing
            torch.nn.init.normal_(parameter, std=0.05)
    return model


@pytest.fixture
def train(examples, tokenizer, tmp_path):
    """Return a function that trains and returns the log, the examples read, the gradients, and the trainer."""

    def run(options, model=None, micro=2, accumulation=2, data=examples, adapter=False, packed=False, **changes):
        class Chosen(IN2Trainer):
            in2_options = options

            def in2_log(self, sentence):
                pass

            def training_step(self, *given):
                loss = super().training_step(*given)
                gradients[:] = [p.grad.clone() for p in self.model.parameters() if p.requires_grad]
                return loss

        class Watched(LazyExamples):
            def _item(self, number):
                item = super()._item(number)
                seen.append(item[EXAMPLE])
                return item

        seen, gradients = [], []
        watched = Watched(data._plans)
        if options.distills:
            in_step = is_in_step(data.folders, options.distill, adapter=adapter)
            watched = watched.taught_by(open_teachers(data.folders, options.distill, in_step=in_step))
        args = TrainingArguments(
            str(tmp_path / "out"), per_device_train_batch_size=micro, gradient_accumulation_steps=accumulation,
            use_cpu=True, report_to="none", disable_tqdm=True, max_grad_norm=0, seed=42, save_strategy="no",
            **{"max_steps": 1, "logging_steps": 1, "learning_rate": 0.0, **changes},
        )  # fmt: skip
        collator = DataCollatorWithFlattening() if packed else DataCollatorForSeq2Seq(tokenizer)
        trainer = Chosen(model or model_of(adapter), args, train_dataset=watched, data_collator=collator,
                         eval_dataset=watched.select(np.arange(4)))  # fmt: skip
        trainer.train()
        return trainer.state.log_history, seen, gradients, trainer

    return run


def options_of(objective, *, logits_at_answers=True, **distill):
    return TrainingOptions(logits_at_answers=logits_at_answers, objective=objective, length_balanced=False,
                           distill=DistillOptions(**distill))  # fmt: skip


CASES = {
    "stored": (options_of("distill"), {}),
    "stored-packed": (options_of("both", weight=0.5, temperature=2.0), {"packed": True}),
    "stored-top-k": (options_of("both", top_k=5, logits_at_answers=False), {}),
    "current": (options_of("both", teacher="current"), {"micro": 1, "accumulation": 4}),
    "current-top-k": (options_of("distill", teacher="current", top_k=5), {"micro": 4, "accumulation": 1}),
    "current-whole-logits": (options_of("distill", teacher="current", logits_at_answers=False), {}),
    "adapter": (options_of("distill"), {"adapter": True}),
    "checkpointing": (options_of("distill", teacher="current"), {"adapter": True, "gradient_checkpointing": True}),
}


@pytest.fixture
def without_scores(monkeypatch):
    """The model before training is then only in memory."""
    monkeypatch.setattr("in2_plugin.training.distillation.teachers.teacher_names", lambda folder: [])


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradients_equal_those_of_a_plain_implementation(train, examples, case, request):
    options, settings = CASES[case]
    if case == "adapter":
        request.getfixturevalue("without_scores")
    log, seen, gradients, _ = train(options, **settings)
    model = model_of(settings.get("adapter", False))
    rows = GoldOnlyRows(distilled_dataset())

    def teacher_of(example):
        if case.startswith("stored"):
            return stored_teacher(example, options.distill.top_k)
        reader = model_of() if case == "adapter" else model
        return plain_teacher(plain_gold_logits(reader, rows, example), options.distill.top_k)

    expected = plain_objective(model, examples._plans[0], seen[:4], teacher_of, options)
    expected.backward()
    assert log[0]["loss"] == pytest.approx(expected.item(), rel=1e-6, abs=1e-6)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    whole = torch.cat([parameter.grad.flatten() for parameter in parameters])
    difference = whole - torch.cat([gradient.flatten() for gradient in gradients])
    assert expected > 1e-3 and whole.norm() > 1e-2
    assert difference.abs().max() < 1e-6 and difference.norm() < 1e-4 * whole.norm()


def test_the_log_has_both_losses_and_the_divergence_by_depth(train):
    log, *_ = train(options_of("both", weight=0.5), eval_strategy="steps", eval_steps=1)
    for entry, prefix in ((log[0], ""), (log[1], "eval_")):
        answer, kl = entry[f"{prefix}in2/loss_answer"], entry[f"{prefix}in2/kl"]
        assert entry[f"{prefix}loss"] == pytest.approx(answer + 0.5 * kl, rel=1e-4)
    depths = [value for name, value in log[0].items() if name.startswith("in2/kl_depth_")]
    assert depths and min(depths) > 0


def test_an_evaluation_in_an_engine_is_not_logged_as_training(train):
    *_, trainer = train(options_of("both"))
    trainer._wrap_model = lambda model, training=True: Engine(model)
    trainer.evaluate()
    entry = trainer.state.log_history[-1]
    assert entry["eval_loss"] == pytest.approx(entry["eval_in2/loss_answer"] + entry["eval_in2/kl"], rel=1e-4)


def test_the_answer_alone_has_no_divergence_in_the_log(train):
    log, *_ = train(TrainingOptions())
    assert not any("/kl" in name or "loss_answer" in name for entry in log for name in entry)


def test_training_towards_the_gold_lowers_the_divergence(train):
    log, *_ = train(options_of("distill"), max_steps=12, learning_rate=3e-3)
    found = [entry["in2/kl"] for entry in log if "in2/kl" in entry]
    assert np.mean(found[-3:]) < 0.8 * np.mean(found[:3])


def test_examples_without_a_teacher_are_refused(train, monkeypatch):
    monkeypatch.setattr(LazyExamples, "taught_by", lambda self, teachers: self)
    with pytest.raises(ConfigError, match="`objective: both` is not possible: these examples do not carry what a teac"):
        train(options_of("both"))


def test_an_adapter_that_trains_biases_is_no_model_before_training(train, without_scores):
    model = model_of(adapter=True)
    model.peft_config["default"].bias = "all"
    with pytest.raises(ConfigError, match="is not possible: the model before training is not in memory: the adapter t"):
        train(options_of("distill"), model=model, adapter=True)


def test_weights_and_objectives_combine(train, examples):
    """An example of two questions: equal weight for each answer changes the mean, whatever the objective."""
    plain, weighted = (train(replace(options_of("both"), answer_weighting=weighting))[0][0]["loss"]
                       for weighting in ("token", "question"))  # fmt: skip
    assert abs(plain - weighted) > 1e-4
