"""The script that `in2 sft` starts in every process."""

import shutil

import pytest
import yaml
from transformers import MistralConfig, MistralForCausalLM

from in2_plugin.errors import TokenizerMismatch
from in2_plugin.training.trl.arguments import load_datasets, parse
from in2_plugin.training.trl.sft import load_tokenizer, main, model_settings


@pytest.fixture
def parsed(tmp_path, built, mistral_folder):
    """Return a function that parses a config file with changes."""

    def parsed(**changes):
        values = {"model_name_or_path": str(mistral_folder), "datasets": [{"path": "in2", "data_dir": str(built)}],
                  "output_dir": str(tmp_path / "out"), "use_cpu": True, "bf16": False, "report_to": "none",
                  **changes}  # fmt: skip
        (tmp_path / "sft.yml").write_text(yaml.safe_dump(values))
        return parse(["--config", str(tmp_path / "sft.yml")])

    return parsed


def test_dataset_for_another_tokenizer_is_refused_before_the_model_is_loaded(parsed, qwen_folder, tmp_path):
    arguments = parsed(model_name_or_path=str(qwen_folder))  # a tokenizer without a model
    with pytest.raises(TokenizerMismatch):
        load_datasets(arguments, load_tokenizer(arguments))
    with pytest.raises(TokenizerMismatch):
        main(["--config", str(tmp_path / "sft.yml")])


@pytest.fixture
def train(parsed, mistral_folder, tmp_path):
    """Return a function that trains a tiny model for one step, and returns the trainer."""
    shutil.copytree(mistral_folder, tmp_path / "model")
    config = MistralConfig(vocab_size=32_000, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                           num_attention_heads=2, num_key_value_heads=2)  # fmt: skip
    MistralForCausalLM(config).save_pretrained(tmp_path / "model")

    def train(**changes):
        parsed(model_name_or_path=str(tmp_path / "model"), max_steps=1, logging_steps=1,
               per_device_train_batch_size=2, **changes)  # fmt: skip
        return main(["--config", str(tmp_path / "sft.yml")])

    return train


def test_a_seed_draws_the_same_adapter(train):
    lora = {"use_peft": True, "lora_r": 2, "lora_target_modules": ["q_proj", "v_proj"], "seed": 3}
    weights = [next(p for name, p in train(**lora).model.named_parameters() if "lora_A" in name) for _ in range(2)]
    assert weights[0].any() and weights[0].equal(weights[1])


def test_answer_weighting_of_the_file_is_that_of_the_loss(train):
    trainer = train(answer_weighting="opening")
    assert trainer.in2_options.own_loss == "answer_weighting: opening"
    (step, _) = trainer.state.log_history
    assert step["in2/answer_tokens_per_step"] > 2 and 9 < step["loss"] < 12


def test_model_settings(parsed):
    alone = model_settings(parsed(dtype="bfloat16", attn_implementation="sdpa"))
    assert alone == {"revision": "main", "attn_implementation": "sdpa", "dtype": "bfloat16"}
    settings = model_settings(parsed(model_init_kwargs={"dtype": "float16", "use_cache": False}))
    assert (settings["dtype"], settings["use_cache"]) == ("float16", False)
