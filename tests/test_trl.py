"""The names that a TRL training script imports."""

import in2_plugin
import in2_plugin.trl


def test_public_names():
    assert in2_plugin.trl.__all__ == ["IN2SFTTrainer", "load_in2_dataset", "sft_settings"]
    assert all(hasattr(in2_plugin.trl, name) for name in in2_plugin.trl.__all__)
    assert in2_plugin.load_in2_dataset is in2_plugin.trl.load_in2_dataset
