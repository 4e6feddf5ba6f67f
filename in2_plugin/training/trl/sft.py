"""Fine-tune with TRL on IN2 examples; `in2 sft` starts this script in every process.

    in2 sft --config sft.yml
    torchrun --nproc_per_node 8 -m in2_plugin.training.trl.sft --config sft.yml

The counterpart of TRL's `trl sft` script, which cannot load a lazy dataset. It resumes from `resume_from_checkpoint`
and keeps `model_init_kwargs`, as that script does in TRL 1.14 but not in 1.9.
"""

import sys
from collections.abc import Sequence
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase, set_seed
from trl import get_peft_config, get_quantization_config

from in2_plugin.errors import ConfigError, In2Error
from in2_plugin.training.trl.arguments import SFTArguments, load_datasets, parse
from in2_plugin.training.trl.trainer import IN2SFTTrainer


def main(argv: Sequence[str]) -> IN2SFTTrainer:
    """Train, save, and push if `push_to_hub` is set; return the trainer.

    Raises:
        ConfigError, DatasetError, TokenizerMismatch: before the model is loaded.
    """
    arguments = parse(argv)
    training = arguments.training
    tokenizer = load_tokenizer(arguments)
    train, held_out = load_datasets(arguments, tokenizer)
    training.model_init_kwargs = model_settings(arguments)
    set_seed(training.seed)  # TRL draws the weights of an adapter before Trainer does this
    trainer = IN2SFTTrainer(
        arguments.model.model_name_or_path,
        training,
        train_dataset=train,
        eval_dataset=held_out,
        processing_class=tokenizer,
        quantization_config=get_quantization_config(arguments.model),
        peft_config=get_peft_config(arguments.model),
        length_balanced=arguments.in2.length_balanced,
        answer_weighting=arguments.in2.answer_weighting,
        objective=arguments.in2.objective,
        distill=arguments.in2.distillation if arguments.in2.distill else None,
    )
    trainer.train(resume_from_checkpoint=training.resume_from_checkpoint)
    trainer.save_model(training.output_dir)
    trainer.in2_log(f"saved the model to {training.output_dir}")
    if training.push_to_hub:
        trainer.push_to_hub()
    return trainer


def load_tokenizer(arguments: SFTArguments) -> PreTrainedTokenizerBase:
    """Load the tokenizer of the model.

    Raises:
        ConfigError: `model_name_or_path` is not set, or its tokenizer cannot be loaded.
    """
    name = arguments.model.model_name_or_path
    if not name:
        raise ConfigError("`model_name_or_path` is not set; set it to the model to train")
    try:
        return AutoTokenizer.from_pretrained(
            name, revision=arguments.model.model_revision, trust_remote_code=arguments.training.trust_remote_code
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot load the tokenizer of `model_name_or_path: {name}`: {error}") from error


def model_settings(arguments: SFTArguments) -> dict[str, Any]:
    """Return keyword arguments for the model's `from_pretrained`; `model_init_kwargs` of the file takes precedence."""
    model, training = arguments.model, arguments.training
    settings = {
        "revision": model.model_revision,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype,
    }
    if training.world_size > 1 or training.deepspeed:
        # otherwise TRL sets `device_map: auto` when it does not recognize the distributed setup
        settings["device_map"] = None
    return {**settings, **(training.model_init_kwargs or {})}


if __name__ == "__main__":
    try:
        done = main(sys.argv[1:])
        if hasattr(done, "end"):  # transformers 5.18 and newer: finish the trackers and the process group
            done.end()
    except In2Error as error:
        sys.exit(f"error: {error}")
