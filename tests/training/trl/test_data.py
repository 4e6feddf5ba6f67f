"""IN2 examples as a `datasets.Dataset` with a transform."""

import pickle

import numpy as np
import pytest
from datasets import Dataset
from transformers import AutoTokenizer

from in2_plugin.errors import ConfigError, DatasetError, TokenizerMismatch
from in2_plugin.training.dataset import ANSWERS, EXAMPLE
from in2_plugin.training.trl.data import lengths_of, load_in2_dataset, longest_of, transform_of, with_answers


@pytest.fixture(scope="module")
def pretrained(mistral_folder):
    return AutoTokenizer.from_pretrained(mistral_folder)


@pytest.fixture(scope="module")
def loaded(built, pretrained) -> Dataset:
    return load_in2_dataset(built, pretrained)


def test_rows_equal_the_rendered_examples(loaded, dataset):
    assert loaded.column_names == [EXAMPLE] and len(loaded) == len(dataset)
    for row, item in zip(dataset.rows(), loaded, strict=True):
        rendered = dataset.render(row)
        assert set(item) == {"input_ids", "labels"}
        assert isinstance(item["input_ids"], np.ndarray)
        assert item["input_ids"].tolist() == rendered.input_ids.tolist()
        assert item["labels"].tolist() == rendered.labels.tolist()


def test_dataset_supports_select_split_and_shuffle(loaded):
    shuffled = loaded.shuffle(seed=1)
    split = shuffled.train_test_split(test_size=20, seed=2)
    numbers = [with_answers(part)[:][EXAMPLE] for part in (split["train"], split["test"])]
    assert sorted(numbers[0] + numbers[1]) == list(range(len(loaded)))
    assert numbers[0] != sorted(numbers[0])
    for number, item, length in zip(numbers[1], split["test"], lengths_of(split["test"]), strict=True):
        assert item["input_ids"].tolist() == loaded[number]["input_ids"].tolist()
        assert length == len(item["input_ids"])


def test_lengths_need_no_tokens(loaded):
    lengths = [len(item["input_ids"]) for item in loaded]
    assert lengths_of(loaded).tolist() == lengths
    assert longest_of(loaded, None, loaded.select([0])) == max(lengths)
    assert lengths_of(Dataset.from_dict({EXAMPLE: [1]})) is None


def test_answer_codes_are_optional(loaded):
    item = with_answers(loaded)[3]
    assert item[EXAMPLE] == 3 and len(item[ANSWERS]) == (item["labels"] != -100).sum()
    both = with_answers({"a": loaded, "b": None})
    assert ANSWERS in both["a"][0] and both["b"] is None


def test_transform_pickles_as_a_path(loaded):
    loaded[0]  # opens the memory maps
    transform = transform_of(loaded)
    data = pickle.dumps(transform)
    assert len(data) < 1_500
    again = pickle.loads(data)({EXAMPLE: [5]})
    assert again["input_ids"][0].tolist() == loaded[5]["input_ids"].tolist()


def test_datasets_are_concatenated(built, pretrained, loaded):
    twice = load_in2_dataset([built, str(built)], pretrained)
    assert len(twice) == 2 * len(loaded)
    assert twice[len(loaded) + 4]["input_ids"].tolist() == loaded[4]["input_ids"].tolist()


def test_prompts_for_grpo(built, pretrained, dataset):
    prompts = load_in2_dataset(built, pretrained, task="grpo", number_segments=True)
    assert "\n[1] " in prompts[0]["prompt"][0]["content"]
    assert len(load_in2_dataset([built], pretrained, task="grpo", max_prompt_tokens=1_000)) < len(prompts)
    for options in ({"number_segments": True}, {"max_prompt_tokens": 9}):
        with pytest.raises(ConfigError, match='need `task="grpo"`; add it or remove them'):
            load_in2_dataset(built, pretrained, **options)
    with pytest.raises(ConfigError, match='`task="GRPO"` is not one of "sft" and "grpo"; change it'):
        load_in2_dataset(built, pretrained, task="GRPO")


def test_other_tokenizer_and_missing_dataset_are_refused(built, qwen_folder, pretrained, tmp_path):
    with pytest.raises(TokenizerMismatch):
        load_in2_dataset(built, AutoTokenizer.from_pretrained(qwen_folder))
    with pytest.raises(DatasetError, match="there is no IN2 dataset"):
        load_in2_dataset(tmp_path / "none", pretrained)
