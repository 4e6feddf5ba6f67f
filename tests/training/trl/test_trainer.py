"""IN2SFTTrainer in this process; tests/e2e/test_trl.py runs `in2 sft` on one and two ranks."""

import shutil

import numpy as np
import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PromptTuningConfig, TaskType
from transformers import AutoModelForCausalLM, MistralConfig, MistralForCausalLM
from trl import SFTConfig

from in2_plugin.corpus.screening.document_digests import read_digests
from in2_plugin.dataset.reader import IN2Dataset
from in2_plugin.errors import ConfigError, DatasetError
from in2_plugin.teaching.rows import GoldOnlyRows
from in2_plugin.training.options import TrainingOptions
from in2_plugin.training.trl.data import lengths_of
from in2_plugin.training.trl.trainer import FUSED_HEAD
from in2_plugin.trl import IN2SFTTrainer, load_in2_dataset, sft_settings
from tests.support.distillation import copied, distilled_dataset, plain_gold_logits, plain_objective, stored_teacher
from tests.support.plain_loss import plain_loss, plain_teacher
from tests.support.taught import teacher_folder


@pytest.fixture(scope="module")
def pretrained(mistral_folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(mistral_folder)


@pytest.fixture(scope="module")
def loaded(built, pretrained) -> Dataset:
    return load_in2_dataset(built, pretrained)


def settings(tmp_path, **changes) -> SFTConfig:
    given = {"use_cpu": True, "bf16": False, "report_to": "none", **sft_settings(), **changes}
    return SFTConfig(str(tmp_path / "out"), **given)


class Uncounted(MistralForCausalLM):
    """A model that does not divide its loss by the tokens of a step, such as Gemma 3."""

    accepts_loss_kwargs = False


def tiny(kind=MistralForCausalLM, **changes):
    torch.manual_seed(0)
    values = {"vocab_size": 32_000, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
              "num_attention_heads": 2, "num_key_value_heads": 2, "sliding_window": None}  # fmt: skip
    return kind(MistralConfig(**{**values, **changes}))


def test_errors_are_raised_before_the_model_is_loaded(loaded, tmp_path):
    with pytest.raises(ConfigError, match="is below the longest example"):
        IN2SFTTrainer("no/model", settings(tmp_path, max_length=600), train_dataset=loaded)
    with pytest.raises(ConfigError, match="is below the longest example"):
        IN2SFTTrainer("no/model", settings(tmp_path, max_length=600), train_dataset=loaded.select([0]),
                      eval_dataset={"all": loaded})  # fmt: skip
    with pytest.raises(ConfigError, match="is not from `load_in2_dataset`"):
        IN2SFTTrainer("no/model", settings(tmp_path), train_dataset=Dataset.from_dict({"input_ids": [[1]]}))


def shortest(loaded, n=12):
    return loaded.select(np.argsort(lengths_of(loaded), kind="stable")[:n])


def longest(loaded, n):
    return loaded.select(np.argsort(lengths_of(loaded), kind="stable")[-n:])


def test_evaluation_logs_statistics(built, loaded, pretrained, tmp_path):
    args = settings(tmp_path, max_steps=2, logging_steps=1, save_strategy="no", eval_strategy="steps", eval_steps=2,
                    per_device_train_batch_size=2, gradient_checkpointing=False, disable_tqdm=True)  # fmt: skip
    trainer = IN2SFTTrainer(tiny(), args, train_dataset=shortest(loaded), eval_dataset=shortest(loaded, 4),
                            processing_class=pretrained)  # fmt: skip
    trainer.train()
    assert read_digests(tmp_path / "out/in2_documents.parquet") == read_digests(built / "documents.parquet")
    logs = trainer.state.log_history
    evaluated = next(entry for entry in logs if "eval_loss" in entry)
    answer_tokens = sum(int((item["labels"] != -100).sum()) for item in shortest(loaded, 4))
    assert evaluated["eval_in2/answer_tokens"] == answer_tokens
    assert any(key.startswith("in2/loss_") for key in logs[0])
    found = trainer.evaluate(shortest(loaded, 2))
    assert 9 < found["eval_loss"] < 12


@pytest.mark.skipif(not FUSED_HEAD, reason="TRL before 1.15 computes logits only at labels on every device")
def test_head_scores_only_answer_tokens(loaded, pretrained, tmp_path):
    args = settings(tmp_path, max_steps=1, logging_steps=1, save_strategy="no", disable_tqdm=True,
                    per_device_train_batch_size=2, gradient_checkpointing=False)  # fmt: skip
    trainer = IN2SFTTrainer(tiny(), args, train_dataset=shortest(loaded, 2), processing_class=pretrained)
    scored = []
    trainer.model.base_model.register_forward_hook(lambda _, __, output: scored.append(output[0].shape[1]))
    trainer.train()
    answers = np.stack(
        [np.pad(item["labels"] != -100, (0, 2_000 - len(item["labels"]))) for item in shortest(loaded, 2)]
    )
    assert scored == [answers.any(0).sum()]
    logged = trainer.state.log_history[0]
    assert any(key.startswith("in2/loss_") for key in logged)
    trainer = IN2SFTTrainer(tiny(), args, train_dataset=shortest(loaded, 2), processing_class=pretrained)
    trainer.__dict__["_in2_keeps_answers"] = False  # TRL's own computation
    trainer.train()
    for name in ("loss", "grad_norm", "entropy", "mean_token_accuracy", "num_tokens"):
        assert trainer.state.log_history[0][name] == pytest.approx(logged[name], rel=1e-4), name


@pytest.fixture
def step_of(loaded, pretrained, tmp_path):
    """Return a function that returns the log of a step of four examples, in micro-batches of this size."""

    def run(weighting, micro, kind=MistralForCausalLM):
        args = settings(tmp_path, max_steps=1, logging_steps=1, save_strategy="no", disable_tqdm=True, seed=3,
                        per_device_train_batch_size=micro, gradient_accumulation_steps=4 // micro,
                        gradient_checkpointing=False, eval_strategy="steps", eval_steps=1,
                        learning_rate=0.0)  # fmt: skip
        trainer = IN2SFTTrainer(tiny(kind), args, train_dataset=shortest(loaded, 4), eval_dataset=shortest(loaded, 4),
                                processing_class=pretrained, answer_weighting=weighting)  # fmt: skip
        trainer.train()
        return {name: value for entry in trainer.state.log_history for name, value in entry.items()}

    return run


SAME_METRICS = ("entropy", "mean_token_accuracy", "num_tokens", "in2/answer_tokens_per_step", "in2/loss_fine_grained")


@pytest.mark.parametrize("weighting", ["question", "opening"])
def test_weighted_loss_is_that_of_a_plain_implementation(built, mistral, step_of, weighting):
    plans = IN2Dataset(built, mistral).plans
    expected = plain_loss(tiny(), plans, np.argsort(plans.n_tokens, kind="stable")[:4], ("token", weighting)).item()
    whole, cut, plain = step_of(weighting, 4), step_of(weighting, 1, Uncounted), step_of("token", 4)
    assert (whole["loss"], whole["eval_loss"]) == pytest.approx((expected, expected), rel=1e-6)
    assert (cut["loss"], cut["grad_norm"]) == pytest.approx((whole["loss"], whole["grad_norm"]), rel=2e-4)
    assert abs(plain["loss"] - whole["loss"]) > 1e-4
    for name in SAME_METRICS:
        assert whole[name] == pytest.approx(plain[name], rel=1e-4), name
        assert "step" in name or f"eval_{name}" in whole
    assert any(name.startswith("in2/loss_opening_depth_") for name in plain)


def test_weights_that_are_not_possible_are_refused(loaded, pretrained, tmp_path):
    given = {"train_dataset": loaded, "processing_class": pretrained, "answer_weighting": "question"}
    with pytest.raises(ConfigError, match="`answer_weighting: question` is not possible: `compute_loss_func`"):
        IN2SFTTrainer("no/model", settings(tmp_path), compute_loss_func=print, **given)
    prepared = Dataset.from_dict({"input_ids": [[1]], "labels": [[1]]})
    for held_out in (prepared, {"a": loaded, "b": prepared}):
        with pytest.raises(ConfigError, match="`answer_weighting: opening` is not possible: `eval_dataset` does not"):
            IN2SFTTrainer("no/model", settings(tmp_path), eval_dataset=held_out,
                          **{**given, "answer_weighting": "opening"})  # fmt: skip
    prompt = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=3)
    with pytest.raises(ConfigError, match="`answer_weighting: question` is not possible: prompt tuning prepends"):
        IN2SFTTrainer(tiny(), settings(tmp_path), peft_config=prompt, **given)


@pytest.fixture(scope="module")
def distilled():
    """The dataset with scores of the tiny model, and its tokenizer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(teacher_folder())
    return load_in2_dataset(distilled_dataset(), tokenizer), tokenizer


@pytest.fixture
def distil(distilled, tmp_path):
    """Return a function that returns the log of a step of four examples with a teacher."""

    def run(micro, **given):
        loaded, tokenizer = distilled
        args = settings(tmp_path, max_steps=1, logging_steps=1, save_strategy="no", disable_tqdm=True, seed=3,
                        per_device_train_batch_size=micro, gradient_accumulation_steps=4 // micro,
                        gradient_checkpointing=False, eval_strategy="steps", eval_steps=1,
                        learning_rate=0.0)  # fmt: skip
        trainer = IN2SFTTrainer(AutoModelForCausalLM.from_pretrained(teacher_folder(), dtype=torch.float32), args,
                                train_dataset=longest(loaded, 4), eval_dataset=longest(loaded, 4),
                                processing_class=tokenizer, **given)  # fmt: skip
        trainer.train()
        return {name: value for entry in trainer.state.log_history for name, value in entry.items()}

    return run


@pytest.mark.parametrize("teacher", ["initial", "current"])
def test_divergence_from_a_teacher_is_that_of_a_plain_implementation(distil, distilled, teacher, capsys):
    given = {"objective": "distill", "distill": {"teacher": teacher}}
    whole, cut = distil(4, **given), distil(1, **given)
    plans = IN2Dataset(distilled_dataset(), distilled[1]).plans
    model = AutoModelForCausalLM.from_pretrained(teacher_folder(), dtype=torch.float32)
    rows = GoldOnlyRows(plans.dataset)

    def teacher_of(example):
        return (
            stored_teacher(example) if teacher == "initial" else plain_teacher(plain_gold_logits(model, rows, example))
        )

    numbers = np.argsort(plans.n_tokens, kind="stable")[-4:]
    expected = plain_objective(model, plans, numbers, teacher_of, TrainingOptions(objective="distill")).item()
    assert expected > 1e-4
    assert (whole["loss"], whole["eval_loss"]) == pytest.approx((expected, expected), rel=1e-4, abs=1e-6)
    assert (cut["loss"], cut["grad_norm"]) == pytest.approx((whole["loss"], whole["grad_norm"]), rel=1e-3)
    assert whole["in2/kl"] == pytest.approx(whole["loss"], abs=1e-6) and "mean_token_accuracy" in whole
    assert "in2: distils from the" in capsys.readouterr().out


def test_objectives_that_are_not_possible_are_refused(distilled, tmp_path):
    loaded, tokenizer = distilled
    given = {"train_dataset": loaded, "processing_class": tokenizer, "objective": "both"}
    with pytest.raises(ConfigError, match="`objective: both` is not possible: `compute_loss_func` computes the loss"):
        IN2SFTTrainer("no/model", settings(tmp_path), compute_loss_func=print, **given)
    prepared = Dataset.from_dict({"input_ids": [[1]], "labels": [[1]]})
    with pytest.raises(ConfigError, match="is not possible: `eval_dataset` does not carry what a teacher says"):
        IN2SFTTrainer("no/model", settings(tmp_path), eval_dataset=prepared, **given)
    with pytest.raises(DatasetError, match="has no scores of a teacher `other`"):
        IN2SFTTrainer("no/model", settings(tmp_path), distill={"teacher": "other"}, **given)


def test_both_splits_have_the_same_teacher(distilled, tmp_path):
    loaded, tokenizer = distilled
    held_out = copied(tmp_path)
    shutil.rmtree(held_out / "teacher")
    given = {"train_dataset": loaded, "eval_dataset": load_in2_dataset(held_out, tokenizer), "objective": "both",
             "processing_class": tokenizer}  # fmt: skip
    with pytest.raises(DatasetError, match="in2: has no scores of a teacher `initial`"):
        IN2SFTTrainer("no/model", settings(tmp_path), **given)
    adapter = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj"])
    trainer = IN2SFTTrainer(str(teacher_folder()), settings(tmp_path), peft_config=adapter, **given)
    for dataset in (trainer.train_dataset, trainer.eval_dataset):
        assert isinstance(trainer.in2_examples(dataset).teachers[0], GoldOnlyRows)


def test_other_losses_have_no_statistics(loaded, pretrained, tmp_path, capsys):
    args = settings(tmp_path, max_steps=1, logging_steps=1, save_strategy="no", disable_tqdm=True)
    trainer = IN2SFTTrainer(tiny(), args, train_dataset=shortest(loaded), processing_class=pretrained)
    assert trainer._losses_agree(2.0, 2.01) and not trainer._losses_agree(2.0, 2.2)
    assert "no loss by depth in the log" in capsys.readouterr().out


@pytest.mark.parametrize("balanced", [True, False])
def test_length_balance_is_optional(loaded, pretrained, tmp_path, balanced):
    args = settings(tmp_path, disable_tqdm=True, per_device_train_batch_size=4)
    trainer = IN2SFTTrainer(tiny(), args, train_dataset=loaded, processing_class=pretrained,
                            length_balanced=balanced)  # fmt: skip
    order = list(trainer._get_train_sampler())
    assert sorted(order) == list(range(len(loaded)))
    spread = np.ptp(lengths_of(loaded)[np.array(order[:128]).reshape(-1, 4)], axis=1).mean()
    assert (spread < 300) == balanced
