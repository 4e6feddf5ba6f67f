"""The names that a TRL training script imports.

from in2_plugin.trl import IN2SFTTrainer, load_in2_dataset, sft_settings

dataset = load_in2_dataset("data/my-in2", tokenizer)
trainer = IN2SFTTrainer(model, SFTConfig(**sft_settings()), train_dataset=dataset, processing_class=tokenizer)

The dataset and the settings also work with TRL's own `SFTTrainer`.
"""

from in2_plugin.training.trl.data import load_in2_dataset
from in2_plugin.training.trl.settings import sft_settings
from in2_plugin.training.trl.trainer import IN2SFTTrainer

__all__ = ["IN2SFTTrainer", "load_in2_dataset", "sft_settings"]
