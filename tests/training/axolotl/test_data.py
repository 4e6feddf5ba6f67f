"""Lazy datasets for Axolotl: when they are possible, and what they contain."""

import shutil

import pytest

from in2_plugin.errors import ConfigError, DatasetError
from in2_plugin.teaching.rows import GoldOnlyRows
from in2_plugin.training.axolotl.args import IN2Options
from in2_plugin.training.axolotl.data import eager_reason, load_lazy_datasets
from in2_plugin.training.dataset import TEACHER
from tests.support.axolotl_configs import ConfigLoader
from tests.support.distillation import distilled_dataset
from tests.support.taught import teacher_folder


@pytest.fixture
def config(built, mistral_folder, tmp_path) -> ConfigLoader:
    return ConfigLoader(tmp_path, built, mistral_folder)


REASONS = [
    ({}, None),
    ({"streaming": True, "max_steps": 1}, "`streaming:` is set"),
    ({"dataset_exact_deduplication": True}, "`dataset_exact_deduplication:` is set"),
    ({"sample_packing": True, "attn_implementation": "sdpa"}, None),
    ({"val_set_size": 0.1}, None),
]


@pytest.mark.parametrize(("changes", "reason"), REASONS)
def test_settings_that_prevent_lazy_loading_are_named(config, changes, reason):
    assert eager_reason(config(**changes)) == reason


def test_additional_keys_or_other_datasets_prevent_lazy_loading(config):
    entry = {"path": str(config.dataset), "type": "in2"}
    assert eager_reason(config(datasets=[{**entry, "shards": 2}])) == f"the dataset {entry['path']} has `shards:`"
    reason = eager_reason(config(datasets=[entry, {"path": "x.jsonl", "type": "alpaca"}]))
    assert reason == "x.jsonl is not of `type: in2`"


def test_lazy_datasets_of_a_loaded_config(config):
    cfg = config(val_set_size=0.1, micro_batch_size=2)
    meta = load_lazy_datasets(cfg, IN2Options(), preprocess=False)
    assert (len(meta.train_dataset), len(meta.eval_dataset)) == (117, 13)
    assert meta.total_num_steps == 59
    assert cfg.total_num_tokens == meta.train_dataset.lengths.sum()
    assert load_lazy_datasets(config(), IN2Options(lazy=False), preprocess=False) is None


def test_examples_have_a_teacher_where_the_objective_needs_one(tmp_path):
    config = ConfigLoader(tmp_path, distilled_dataset(), teacher_folder())
    config.set_model_config('{"model_type": "mistral", "vocab_size": 2000}')
    meta = load_lazy_datasets(config(val_set_size=0.1), IN2Options(objective="both"), preprocess=False)
    for dataset in (meta.train_dataset, meta.eval_dataset):
        ids, logprobs = dataset[0][TEACHER]
        n = int((dataset[0]["labels"] != -100).sum())
        assert ids.shape == (n, 16) and logprobs.shape == (n, 17)
    missing = IN2Options(objective="both", distill={"teacher": "other"})
    with pytest.raises(DatasetError, match=r"has no scores of a teacher `other` \(there are: initial\)"):
        load_lazy_datasets(config(), missing, preprocess=False)


def test_both_splits_have_the_same_teacher(tmp_path):
    """Scores of the training data alone would give the two losses different teachers."""
    config = ConfigLoader(tmp_path, distilled_dataset(), teacher_folder())
    config.set_model_config('{"model_type": "mistral", "vocab_size": 2000}')
    shutil.rmtree(config.dataset / "teacher")
    cfg = config(datasets=[{"path": str(distilled_dataset()), "type": "in2"}],
                 test_datasets=[{"path": str(config.dataset), "type": "in2"}])  # fmt: skip
    with pytest.raises(DatasetError, match="has no scores of a teacher `initial`"):
        load_lazy_datasets(cfg, IN2Options(objective="both"), preprocess=False)
    cfg.adapter = "lora"
    meta = load_lazy_datasets(cfg, IN2Options(objective="both"), preprocess=False)
    assert all(isinstance(one.teachers[0], GoldOnlyRows) for one in (meta.train_dataset, meta.eval_dataset))


@pytest.mark.parametrize("setting", ["relora", "lora_model_dir"])
def test_an_adapter_needs_no_stored_scores_unless_it_is_merged_or_trained(tmp_path, setting):
    config = ConfigLoader(tmp_path, distilled_dataset(), teacher_folder())
    config.set_model_config('{"model_type": "mistral", "vocab_size": 2000}')
    shutil.rmtree(config.dataset / "teacher")
    cfg = config()
    cfg.adapter = "lora"
    found = load_lazy_datasets(cfg, IN2Options(objective="both"), preprocess=False).train_dataset[0][TEACHER]
    assert all(row.ids[row.answer].size for row in found)
    cfg[setting] = "set"
    with pytest.raises(DatasetError, match="has no scores of a teacher `initial`"):
        load_lazy_datasets(cfg, IN2Options(objective="both"), preprocess=False)


def test_lazy_true_with_a_conflicting_setting_is_refused(config):
    cfg = config(dataset_exact_deduplication=True)
    with pytest.raises(
        ConfigError, match=r"`in2: \{lazy: true\}` is not possible: `dataset_exact_deduplication:` is set"
    ):
        load_lazy_datasets(cfg, IN2Options(lazy=True), preprocess=False)
    assert load_lazy_datasets(cfg, IN2Options(), preprocess=False) is None


@pytest.mark.parametrize("size", [130, 0.001])
def test_empty_split_is_refused(config, size):
    with pytest.raises(ConfigError, match="leaves an empty split of 130 examples"):
        load_lazy_datasets(config(val_set_size=size), IN2Options(), preprocess=False)
