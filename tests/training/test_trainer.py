"""IN2Trainer on top of transformers' own Trainer, in this process."""

import shutil
from itertools import combinations

import numpy as np
import pytest
import torch
from transformers import DataCollatorForSeq2Seq, MistralConfig, MistralForCausalLM, TrainingArguments

from in2_plugin.errors import ConfigError
from in2_plugin.training.dataset import ANSWERS, EXAMPLE, LazyExamples
from in2_plugin.training.options import TrainingOptions
from in2_plugin.training.trainer import IN2Trainer, model_full_logits_reason, model_weights_reason
from tests.support.plain_loss import KINDS, plain_loss
from tests.support.stage_runs import forget_openings

DEFAULTS = TrainingOptions()


@pytest.fixture(scope="module")
def pretrained(mistral_folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(mistral_folder)
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@pytest.fixture(scope="module")
def examples(built, mistral):
    """The 24 shortest examples."""
    lazy = LazyExamples.open([built], mistral)
    return lazy.select(np.argsort(lazy.lengths, kind="stable")[:24])


class Uncounted(MistralForCausalLM):
    """A model that does not divide its loss by the tokens of a step, such as Gemma 3."""

    accepts_loss_kwargs = False


def tiny(vocabulary=32_000, kind=MistralForCausalLM):
    torch.manual_seed(0)
    return kind(
        MistralConfig(vocab_size=vocabulary, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                      num_attention_heads=2, num_key_value_heads=2, sliding_window=None)
    )  # fmt: skip


@pytest.fixture
def train(examples, pretrained, tmp_path):
    """Return a function that trains and returns the log, the example numbers read, and the printed sentences."""

    def run(
        options=DEFAULTS, micro=2, accumulation=2, data=examples, model=None, resume=None, kind=IN2Trainer,
        compute_loss_func=None, **changes,
    ):  # fmt: skip
        class Chosen(kind):
            in2_options = options

            def in2_log(self, sentence):
                printed.append(sentence)

        class Watched(LazyExamples):
            def _item(self, number):
                item = super()._item(number)
                seen.append(item[EXAMPLE])
                return item

        printed, seen = [], []
        watched = Watched(data._plans)
        watched._chosen = data._chosen
        settings = {"max_steps": 3, "logging_steps": 1, "save_strategy": "no", "seed": 42, "learning_rate": 1e-2}
        args = TrainingArguments(
            str(tmp_path / "out"), per_device_train_batch_size=micro, gradient_accumulation_steps=accumulation,
            use_cpu=True, report_to="none", disable_tqdm=True, **{**settings, **changes},
        )  # fmt: skip
        trainer = Chosen(
            model or tiny(), args, train_dataset=watched, data_collator=DataCollatorForSeq2Seq(pretrained),
            eval_dataset=data.select(np.arange(4)), compute_loss_func=compute_loss_func,
        )  # fmt: skip
        trainer.train(resume_from_checkpoint=resume)
        return trainer.state.log_history, seen, printed

    return run


def test_missing_figures_are_explained_once(train):
    class Host(IN2Trainer):
        """A host whose loss does not use ours."""

        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            outputs = model(input_ids=inputs["input_ids"], labels=inputs["labels"])
            return (outputs.loss, outputs) if return_outputs else outputs.loss

    log, _, printed = train(kind=Host)
    assert not any(key.startswith("in2/") for entry in log for key in entry)
    reasons = [line for line in printed if line.startswith("no loss by depth in the log: ")]
    assert len(reasons) == 1 and reasons[0].endswith("computes its loss without IN2Trainer.compute_loss")


def test_own_loss_function_gets_the_whole_row_and_keeps_the_figures(train):
    """As Axolotl's `use_dft` and `use_eaft` do: Trainer removes the labels for a `compute_loss_func`."""

    def loss_of(outputs, labels, num_items_in_batch=None):
        shapes.append((outputs.logits.shape[1], labels.shape[1]))
        return outputs.logits.mean()

    shapes = []
    log, _, _ = train(TrainingOptions(logits_at_answers=False), compute_loss_func=loss_of)
    assert all(logits == labels > 100 for logits, labels in shapes)
    assert 9 < next(entry["in2/loss_fine_grained"] for entry in log if "in2/loss_fine_grained" in entry) < 12


def steps(log):
    return [(entry["loss"], entry["grad_norm"]) for entry in log if "loss" in entry]


def options_of(kind, **others):
    return TrainingOptions(loss_normalization=kind[0], answer_weighting=kind[1], **others)


@pytest.mark.parametrize("kind", KINDS)
def test_accumulation_does_not_change_the_steps(train, kind):
    options = options_of(kind, length_balanced=False)
    whole = steps(train(options, micro=4, accumulation=1)[0])
    for micro, accumulation in ((2, 2), (1, 4)):
        np.testing.assert_allclose(steps(train(options, micro, accumulation)[0]), whole, rtol=2e-4)
    if kind != ("token", "token"):  # then the model's own loss is not used
        np.testing.assert_allclose(steps(train(options, model=tiny(kind=Uncounted))[0]), whole, rtol=2e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_at_answers_do_not_change_the_steps(train, kind):
    runs = [steps(train(options_of(kind, logits_at_answers=kept))[0]) for kept in (True, False)]
    np.testing.assert_allclose(runs[0], runs[1], rtol=2e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_equal_those_of_a_plain_implementation(train, examples, kind):
    """Two micro-batches of a step, with examples of different lengths, and an evaluation of the same model."""

    class Kept(IN2Trainer):
        def training_step(self, model, inputs, num_items_in_batch=None):
            loss = super().training_step(model, inputs, num_items_in_batch)
            found.append((loss, [p.grad.clone() for p in model.parameters()]))
            return loss

    found = []
    log, seen, _ = train(options_of(kind, length_balanced=False), kind=Kept, max_steps=1, max_grad_norm=0,
                         learning_rate=0.0, eval_strategy="steps", eval_steps=1)  # fmt: skip
    model = tiny()
    held_out = plain_loss(model, examples._plans[0], examples._chosen[:4], kind).item()
    assert next(entry["eval_loss"] for entry in log if "eval_loss" in entry) == pytest.approx(held_out, rel=1e-6)
    expected = plain_loss(model, examples._plans[0], seen[:4], kind)
    expected.backward()
    assert sum(loss for loss, _ in found).item() == pytest.approx(expected.item(), rel=1e-6)
    for gradient, parameter in zip(found[-1][1], model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-5, atol=1e-6)


def test_weightings_differ(train):
    """An example of this dataset has one question, so `example` and `question` are the same."""
    first = {kind: steps(train(options_of(kind))[0])[0][0] for kind in KINDS}
    assert first.pop(("token", "question")) == pytest.approx(first[("example", "token")], rel=1e-6)
    assert all(abs(one - other) > 1e-4 for one, other in combinations(first.values(), 2))


def test_openings_of_earlier_versions_are_assumed_and_logged(train, examples, built, mistral, tmp_path):
    shutil.copytree(built, tmp_path / "old")
    forget_openings(tmp_path / "old/plans")
    old = LazyExamples.open([tmp_path / "old"], mistral).select(np.argsort(examples._plans[0].n_tokens)[:24])
    log, _, printed = train(options_of(("token", "opening")), data=old)
    assert len([line for line in printed if "assumed to be its first 8 tokens; to record them, delete" in line]) == 1
    assert "in2/loss_opening_depth_00_20" in {key for entry in log for key in entry}


def test_opening_needs_examples_that_carry_it(train):
    class Bare(IN2Trainer):
        def _get_num_items_in_batch(self, batch_samples, device):
            for batch in batch_samples:
                batch.pop(ANSWERS)
            return super()._get_num_items_in_batch(batch_samples, device)

    with pytest.raises(ConfigError, match="`answer_weighting: opening` is not possible: these examples do not carry"):
        train(options_of(("token", "opening")), kind=Bare)


def test_loss_of_a_step_computed_by_hand(train, examples):
    """Compare with the mean over all answer tokens of the step under the untrained model."""
    log, seen, _ = train(max_steps=1)
    model, losses = tiny(), []
    for number in seen[:4]:
        item = examples._plans[0].assemble(number)
        ids, labels = (torch.tensor(part)[None] for part in item)
        losses.append(model(input_ids=ids, labels=labels, num_items_in_batch=torch.tensor(1)).loss.item())
    answer_tokens = sum(int((examples._plans[0].assemble(number)[1] != -100).sum()) for number in seen[:4])
    assert log[0]["loss"] == pytest.approx(sum(losses) / answer_tokens, rel=1e-4)
    assert log[0]["in2/answer_tokens_per_step"] == answer_tokens


def test_log_has_loss_by_depth_and_part(train):
    log, _, _ = train(eval_strategy="steps", eval_steps=3, max_steps=3)
    trained, evaluated = log[0], next(entry for entry in log if "eval_loss" in entry)
    for entry, prefix in ((trained, ""), (evaluated, "eval_")):
        assert any(name.startswith(f"{prefix}in2/loss_opening_depth_") for name in entry)
        parts = {name: value for name, value in entry.items() if name.startswith(f"{prefix}in2/loss_")}
        assert parts and all(9 < value < 12 for value in parts.values())
    assert "eval_in2/answer_tokens" in evaluated


def test_part_losses_average_to_the_loss(train, examples):
    log, seen, _ = train(max_steps=1)
    from in2_plugin.config import PARTS

    plans = examples._plans[0]
    weights = dict.fromkeys(PARTS, 0)
    for number in seen[:4]:
        weights[PARTS[plans.part[number]]] += int((plans.assemble(number)[1] != -100).sum())
    total = sum(log[0].get(f"in2/loss_{part}", 0) * n for part, n in weights.items())
    assert log[0]["loss"] == pytest.approx(total / sum(weights.values()), rel=1e-4)


def test_order_is_length_balanced_and_logged(train, examples):
    _, seen, printed = train(micro=4, accumulation=1, max_steps=-1, num_train_epochs=2)
    assert sorted(seen[:24]) == sorted(seen[24:48]) and seen[:24] != seen[24:48]
    spread = [np.ptp(examples._plans[0].n_tokens[seen[i : i + 4]]) for i in range(0, 24, 4)]
    assert np.mean(spread) < np.ptp(examples.lengths) / 3
    assert len([line for line in printed if "length-balanced order for 1 ranks and micro-batches of 4" in line]) == 1


@pytest.mark.parametrize("kind", [("token", "token"), ("example", "opening")])
def test_resumed_run_takes_the_same_steps(train, tmp_path, kind):
    whole, seen, _ = train(options_of(kind), max_steps=6, save_strategy="steps", save_steps=2)
    resumed, later, _ = train(options_of(kind), max_steps=6, resume=str(tmp_path / "out/checkpoint-2"))
    np.testing.assert_allclose(steps(resumed), steps(whole), rtol=1e-6)
    assert later[:16] == seen[8:24]


def test_model_with_another_loss_is_refused(train):
    class Doubled(MistralForCausalLM):
        def forward(self, *args, **kwargs):
            outputs = super().forward(*args, **kwargs)
            outputs.loss = outputs.loss * 2
            return outputs

        forward.__signature__ = __import__("inspect").signature(MistralForCausalLM.forward)

    model = tiny()
    model.__class__ = Doubled
    with pytest.raises(ConfigError, match="is not the cross-entropy of its answer tokens"):
        train(model=model)


def test_models_that_need_full_logits():
    assert model_full_logits_reason(tiny()) is None

    class Without(MistralForCausalLM):
        def forward(self, input_ids=None, labels=None):
            return super().forward(input_ids=input_ids, labels=labels)

    model = tiny()
    model.__class__ = Without
    assert model_full_logits_reason(model) == "the forward of Without has no `logits_to_keep`"
    other = tiny()
    other.loss_type = "ForMaskedLM"
    assert "is not the shifted cross-entropy" in model_full_logits_reason(other)


def test_adapters_are_unwrapped():
    from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, TaskType, get_peft_model

    adapted = get_peft_model(tiny(), LoraConfig(task_type=TaskType.CAUSAL_LM, r=2, target_modules=["q_proj", "v_proj"]))
    assert model_full_logits_reason(adapted) is None
    prompted = get_peft_model(tiny(), PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=3))
    assert "prompt tuning" in model_full_logits_reason(prompted)
    assert model_weights_reason(prompted) == "prompt tuning prepends tokens that have no labels"
    in_cache = get_peft_model(tiny(), PrefixTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=3))
    assert model_weights_reason(adapted) is model_weights_reason(in_cache) is None


def test_models_that_add_a_router_loss():
    model = tiny()
    assert model_weights_reason(model) is None
    model.config.output_router_logits = True
    assert model_weights_reason(model) == "the model adds the router loss of its experts (`output_router_logits`)"
