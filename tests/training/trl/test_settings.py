"""Settings of `SFTConfig` that conflict with IN2 examples."""

import pytest
from trl import SFTConfig

from in2_plugin.errors import ConfigError
from in2_plugin.training.trl.settings import refuse_incompatible, sft_settings


def settings(tmp_path, **changes) -> SFTConfig:
    given = {"use_cpu": True, "bf16": False, "report_to": "none", **sft_settings(), **changes}
    return SFTConfig(str(tmp_path / "out"), **given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"packing": True}, "`packing: true` has no effect"),
        ({"eval_packing": True}, "`eval_packing: true` has no effect"),
        ({"max_length": 1_024}, "`max_length: 1024` is below the longest example, which has 2,000 tokens"),
        ({"padding_free": True, "max_length": 4_096}, "`padding_free: true` requires `max_length: null`"),
        ({"dataset_kwargs": None}, "set `dataset_kwargs: {skip_prepare_dataset: true}`"),
        ({"remove_unused_columns": True}, "would remove the column of example numbers"),
        ({"assistant_only_loss": True}, "`assistant_only_loss: true` works only on messages"),
        ({"completion_only_loss": False}, "`completion_only_loss: false` has no effect"),
        ({"loss_type": "dft"}, "`loss_type: dft` weights answer tokens"),
        ({"label_smoothing_factor": 0.1}, "needs the logits of every token"),
        ({"chat_template_path": "other.jinja"}, "would change the chat template"),
        ({"train_sampling_strategy": "group_by_length"}, "would read every example"),
    ],
)
def test_conflicting_settings_are_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=f".*{message}"):
        refuse_incompatible(settings(tmp_path, **changes), longest=2_000)


def test_compatible_settings_pass(tmp_path):
    for changes in ({}, {"max_length": 2_000}, {"padding_free": True}, {"completion_only_loss": True}):
        refuse_incompatible(settings(tmp_path, **changes), longest=2_000)
