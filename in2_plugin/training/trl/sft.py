"""Supervised fine-tuning with TRL on IN2 examples: what `in2 sft` starts in every process.

    in2 sft --config sft.yml
    torchrun --nproc_per_node 8 -m in2_plugin.training.trl.sft --config sft.yml

The counterpart of TRL's own `trl sft` script, which has no way in for a dataset of numbers. Beyond that one it resumes
from `resume_from_checkpoint`, and keeps `model_init_kwargs`, which TRL 1.9 overwrites.
"""

import sys
from collections.abc import Sequence
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase
from trl import get_peft_config, get_quantization_config

from in2_plugin.errors import ConfigError, In2Error
from in2_plugin.training.trl.arguments import Arguments, load_datasets, parse
from in2_plugin.training.trl.trainer import IN2SFTTrainer


def main(argv: Sequence[str]) -> None:
    """Train, save, and push where it is asked for.

    Raises:
        ConfigError, DatasetError, TokenizerMismatch: before the model is loaded.
    """
    arguments = parse(argv)
    training = arguments.training
    tokenizer = load_tokenizer(arguments)
    train, held_out = load_datasets(arguments, tokenizer)
    training.model_init_kwargs = model_settings(arguments)
    trainer = IN2SFTTrainer(
        arguments.model.model_name_or_path,
        training,
        train_dataset=train,
        eval_dataset=held_out,
        processing_class=tokenizer,
        quantization_config=get_quantization_config(arguments.model),
        peft_config=get_peft_config(arguments.model),
        length_balanced=arguments.in2.length_balanced,
    )
    trainer.train(resume_from_checkpoint=training.resume_from_checkpoint)
    trainer.save_model(training.output_dir)
    trainer.in2_say(f"the model is in {training.output_dir}")
    if training.push_to_hub:
        trainer.push_to_hub()


def load_tokenizer(arguments: Arguments) -> PreTrainedTokenizerBase:
    """The tokenizer of the model.

    Raises:
        ConfigError: no model is named, or it has none.
    """
    name = arguments.model.model_name_or_path
    if not name:
        raise ConfigError("no model is named; set `model_name_or_path`")
    try:
        return AutoTokenizer.from_pretrained(
            name, revision=arguments.model.model_revision, trust_remote_code=arguments.training.trust_remote_code
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"the tokenizer of `model_name_or_path: {name}` cannot be loaded: {error}") from error


def model_settings(arguments: Arguments) -> dict[str, Any]:
    """Keyword arguments of the model's `from_pretrained`; `model_init_kwargs` of the file has the last word."""
    model, training = arguments.model, arguments.training
    settings = {
        "revision": model.model_revision,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype,
    }
    if training.world_size > 1 or training.deepspeed:
        # TRL places models itself (`auto`) unless it knows the way in which processes work together
        settings["device_map"] = None
    return {**settings, **(training.model_init_kwargs or {})}


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except In2Error as error:
        sys.exit(f"error: {error}")
