"""IN2 data and settings for TRL, in one process; training itself is in tests/e2e/test_trl.py."""

import pickle

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import MistralConfig, MistralForCausalLM
from trl import SFTConfig

from in2_plugin.errors import ConfigError, DatasetError, TokenizerMismatch
from in2_plugin.training.answer_logits import token_losses
from in2_plugin.training.dataset import ANSWERS, EXAMPLE
from in2_plugin.training.trl.data import lengths_of, longest_of, transform_of, with_answers
from in2_plugin.training.trl.losses import AnswerTokenLosses
from in2_plugin.training.trl.settings import refuse_incompatible
from in2_plugin.trl import IN2SFTTrainer, load_in2_dataset, sft_settings


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


def tiny(**changes):
    torch.manual_seed(0)
    values = {"vocab_size": 32_000, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
              "num_attention_heads": 2, "num_key_value_heads": 2, "sliding_window": None}  # fmt: skip
    return MistralForCausalLM(MistralConfig(**{**values, **changes}))


def test_rows_are_the_rendered_examples(loaded, dataset):
    assert loaded.column_names == [EXAMPLE] and len(loaded) == len(dataset)
    for row, item in zip(dataset.rows(), loaded, strict=True):
        rendered = dataset.render(row)
        assert set(item) == {"input_ids", "labels"}
        assert isinstance(item["input_ids"], np.ndarray)
        assert item["input_ids"].tolist() == rendered.input_ids.tolist()
        assert item["labels"].tolist() == rendered.labels.tolist()


def test_it_can_be_selected_from_split_and_shuffled(loaded):
    shuffled = loaded.shuffle(seed=1)
    split = shuffled.train_test_split(test_size=20, seed=2)
    numbers = [with_answers(part)[:][EXAMPLE] for part in (split["train"], split["test"])]
    assert sorted(numbers[0] + numbers[1]) == list(range(len(loaded)))
    assert numbers[0] != sorted(numbers[0])
    for number, item, length in zip(numbers[1], split["test"], lengths_of(split["test"]), strict=True):
        assert item["input_ids"].tolist() == loaded[number]["input_ids"].tolist()
        assert length == len(item["input_ids"])


def test_lengths_are_known(loaded):
    lengths = [len(item["input_ids"]) for item in loaded]
    assert lengths_of(loaded).tolist() == lengths
    assert longest_of(loaded, None, loaded.select([0])) == max(lengths)
    assert lengths_of(Dataset.from_dict({EXAMPLE: [1]})) is None


def test_answers_are_given_when_asked_for(loaded):
    item = with_answers(loaded)[3]
    assert item[EXAMPLE] == 3 and len(item[ANSWERS]) == (item["labels"] != -100).sum()
    both = with_answers({"a": loaded, "b": None})
    assert ANSWERS in both["a"][0] and both["b"] is None


def test_the_transform_pickles_as_a_path(loaded):
    loaded[0]  # opens the memory maps
    transform = transform_of(loaded)
    data = pickle.dumps(transform)
    assert len(data) < 1_500
    again = pickle.loads(data)({EXAMPLE: [5]})
    assert again["input_ids"][0].tolist() == loaded[5]["input_ids"].tolist()


def test_several_datasets_follow_each_other(built, pretrained, loaded):
    twice = load_in2_dataset([built, str(built)], pretrained)
    assert len(twice) == 2 * len(loaded)
    assert twice[len(loaded) + 4]["input_ids"].tolist() == loaded[4]["input_ids"].tolist()


def test_another_tokenizer_and_no_dataset_are_refused(built, qwen_folder, pretrained, tmp_path):
    from transformers import AutoTokenizer

    with pytest.raises(TokenizerMismatch):
        load_in2_dataset(built, AutoTokenizer.from_pretrained(qwen_folder))
    with pytest.raises(DatasetError, match="there is no IN2 dataset"):
        load_in2_dataset(tmp_path / "none", pretrained)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"packing": True}, "`packing: true` has no effect"),
        ({"eval_packing": True}, "`eval_packing: true` has no effect"),
        ({"max_length": 1_024}, "`max_length: 1024` is below the longest example, which has 2,000 tokens"),
        ({"padding_free": True, "max_length": 4_096}, "`padding_free: true` needs `max_length: null`"),
        ({"dataset_kwargs": None}, "set `dataset_kwargs: {skip_prepare_dataset: true}`"),
        ({"remove_unused_columns": True}, "would remove the numbers"),
        ({"assistant_only_loss": True}, "`assistant_only_loss: true` is for messages"),
        ({"completion_only_loss": False}, "`completion_only_loss: false` has no effect"),
        ({"loss_type": "dft"}, "`loss_type: dft` weighs answer tokens"),
        ({"label_smoothing_factor": 0.1}, "needs logits for the whole context"),
        ({"chat_template_path": "other.jinja"}, "another chat template than its dataset"),
        ({"train_sampling_strategy": "group_by_length"}, "would read every example"),
    ],
)
def test_unfit_settings_are_refused(tmp_path, changes, says):
    with pytest.raises(ConfigError, match=f".*{says}"):
        refuse_incompatible(settings(tmp_path, **changes), longest=2_000)


def test_fit_settings_pass(tmp_path):
    for changes in ({}, {"max_length": 2_000}, {"padding_free": True}, {"completion_only_loss": True}):
        refuse_incompatible(settings(tmp_path, **changes), longest=2_000)


def test_the_trainer_refuses_before_a_model_is_loaded(loaded, tmp_path):
    with pytest.raises(ConfigError, match="is below the longest example"):
        IN2SFTTrainer("no/model", settings(tmp_path, max_length=600), train_dataset=loaded)
    with pytest.raises(ConfigError, match="is below the longest example"):
        IN2SFTTrainer("no/model", settings(tmp_path, max_length=600), train_dataset=loaded.select([0]),
                      eval_dataset={"all": loaded})  # fmt: skip
    with pytest.raises(ConfigError, match="is not from `load_in2_dataset`"):
        IN2SFTTrainer("no/model", settings(tmp_path), train_dataset=Dataset.from_dict({"input_ids": [[1]]}))


def losses_of(model, ids, labels):
    """From a forward with a hook on the decoder, and from the model's logits."""
    watched = AnswerTokenLosses(model)
    watched.expect(labels)
    logits = model(input_ids=ids).logits
    return watched.take(), token_losses(logits[:, :-1], labels[:, 1:])


def test_losses_of_answer_tokens_are_those_of_the_logits():
    ids = torch.randint(100, (2, 40))
    labels = torch.where(torch.rand(2, 40) < 0.3, ids, -100)
    for model in (tiny(), tiny(tie_word_embeddings=True)):
        found, expected = losses_of(model, ids, labels)
        assert len(found) == (labels[:, 1:] != -100).sum() and not found.requires_grad
        torch.testing.assert_close(found, expected)


def test_logits_are_capped_as_the_model_does():
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    config = Gemma2Config(vocab_size=100, hidden_size=16, intermediate_size=16, num_hidden_layers=1, head_dim=8,
                          num_attention_heads=2, num_key_value_heads=2, final_logit_softcapping=0.05)  # fmt: skip
    ids = torch.randint(100, (1, 20))
    torch.testing.assert_close(*losses_of(Gemma2ForCausalLM(config).eval(), ids, ids))


def test_without_labels_there_are_no_losses():
    model, ids = tiny(), torch.randint(100, (1, 8))
    watched = AnswerTokenLosses(model)
    watched.expect(None)
    model(input_ids=ids)
    assert watched.take() is None
    watched.expect(torch.full_like(ids, -100))
    model(input_ids=ids)
    assert watched.take().numel() == 0


def shortest(loaded, n=12):
    return loaded.select(np.argsort(lengths_of(loaded), kind="stable")[:n])


def test_held_out_examples_have_statistics(loaded, pretrained, tmp_path):
    args = settings(tmp_path, max_steps=2, logging_steps=1, save_strategy="no", eval_strategy="steps", eval_steps=2,
                    per_device_train_batch_size=2, gradient_checkpointing=False, disable_tqdm=True)  # fmt: skip
    trainer = IN2SFTTrainer(tiny(), args, train_dataset=shortest(loaded), eval_dataset=shortest(loaded, 4),
                            processing_class=pretrained)  # fmt: skip
    trainer.train()
    logs = trainer.state.log_history
    evaluated = next(entry for entry in logs if "eval_loss" in entry)
    answer_tokens = sum(int((item["labels"] != -100).sum()) for item in shortest(loaded, 4))
    assert evaluated["eval_in2/answer_tokens"] == answer_tokens
    assert any(key.startswith("in2/loss_") for key in logs[0])
    found = trainer.evaluate(shortest(loaded, 2))
    assert 9 < found["eval_loss"] < 12


def test_a_loss_that_is_another_one_has_no_statistics(loaded, pretrained, tmp_path, capsys):
    args = settings(tmp_path, max_steps=1, logging_steps=1, save_strategy="no", disable_tqdm=True)
    trainer = IN2SFTTrainer(tiny(), args, train_dataset=shortest(loaded), processing_class=pretrained)
    assert trainer._agree(2.0, 2.01) and not trainer._agree(2.0, 2.2)
    assert "no loss by depth in the log" in capsys.readouterr().out


@pytest.mark.parametrize("balanced", [True, False])
def test_the_order_can_be_trls_own(loaded, pretrained, tmp_path, balanced):
    args = settings(tmp_path, disable_tqdm=True, per_device_train_batch_size=4)
    trainer = IN2SFTTrainer(tiny(), args, train_dataset=loaded, processing_class=pretrained,
                            length_balanced=balanced)  # fmt: skip
    order = list(trainer._get_train_sampler())
    assert sorted(order) == list(range(len(loaded)))
    spread = np.ptp(lengths_of(loaded)[np.array(order[:128]).reshape(-1, 4)], axis=1).mean()
    assert (spread < 300) == balanced


def test_prompt_tokens_before_ours_are_noticed():
    model, ids = tiny(), torch.randint(100, (1, 8))
    watched = AnswerTokenLosses(model)
    watched.expect(ids[:, 2:])
    model(input_ids=ids)
    assert watched.take() is None


def test_a_head_in_one_piece_is_not_gathered():
    from in2_plugin.training.trl.losses import _gathered

    head = torch.nn.Linear(2, 2)
    with _gathered(head) as nothing:
        assert nothing is None
    head.weight.ds_numel = head.weight.numel()  # as DeepSpeed marks parameters
    with _gathered(head) as nothing:
        assert nothing is None
