"""Logits only at answers do not change the loss or the gradients of the real Axolotl."""

import json
import shutil
from pathlib import Path

import pytest
from axolotl.utils.schemas.config import AxolotlInputConfig

from tests.support.axolotl_runs import steps, train_all, witness, write

pytestmark = [pytest.mark.slow, pytest.mark.e2e_full]

LORA = {
    "adapter": "lora",
    "lora_r": 8,
    "lora_alpha": 16,
    "lora_target_linear": True,
    # Axolotl's LoRA kernels need Triton, which needs a GPU
    "lora_mlp_kernel": False,
    "lora_qkv_kernel": False,
    "lora_o_kernel": False,
}
PACKED = {"sample_packing": True, "sequence_len": 1_024}
SETTINGS = {
    "padded": {"micro_batch_size": 3, "gradient_accumulation_steps": 2, "in2": {"length_balanced": False}},
    "packed": {**PACKED, "gradient_accumulation_steps": 2},
    "by-example": {**PACKED, "gradient_accumulation_steps": 2, "in2": {"loss_normalization": "example"}},
    "by-opening": {**PACKED, "gradient_accumulation_steps": 2, "in2": {"answer_weighting": "opening"}},
    "lora": {"micro_batch_size": 2, "gradient_checkpointing": True, **LORA},
}
"""Settings under which the two are compared; `padded` has rows of different lengths."""
OTHERS = {
    "float32": {},
    "bfloat16": {"bf16": True},
    "eaft": {"use_eaft": True, **SETTINGS["padded"]},
    "dft": {"use_dft": True, **SETTINGS["padded"]},
    "balanced": {"balance_labels": True, **SETTINGS["padded"]},
    "balanced-packed": {"balance_labels": True, **SETTINGS["packed"]},
}
OTHERS = {name: changes for name, changes in OTHERS.items()
          if set(changes) <= {*AxolotlInputConfig.model_fields, "in2"}}  # fmt: skip
"""Further settings of the installed Axolotl; 0.19 has neither `use_dft` nor `balance_labels`."""
EPOCH = {"learning_rate": 0.0, "max_steps": None, "num_epochs": 1, "weight_decay": 0.0}
OLD_MODEL = """
from transformers import MistralForCausalLM as Mistral


class OldForCausalLM(Mistral):
    def forward(self, input_ids=None, attention_mask=None, position_ids=None, labels=None, **kwargs):
        return super().forward(input_ids, attention_mask, position_ids, labels=labels, **kwargs)
"""


def old_model(model: Path, folder: Path) -> None:
    """Copy a model with remote code whose forward has no `logits_to_keep`."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "old.OldForCausalLM"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "old.py").write_text(OLD_MODEL)


@pytest.fixture(scope="module")
def done(workshop, tmp_path_factory) -> tuple[Path, str]:
    """The folder of all runs of this module, and their output."""
    folder = tmp_path_factory.mktemp("loss")
    for name in ("model", "data"):
        (folder / name).symlink_to(workshop / name)
    old_model(workshop / "model", folder / "old")
    for setting, values in SETTINGS.items():
        for logits in (True, False):
            changes = {**values, "in2": {**values.get("in2", {}), "answer_logits_only": logits}}
            write(folder, f"{setting}-{logits}", **changes)
    write(folder, "old-auto", base_model="old", trust_remote_code=True, **SETTINGS["padded"])
    for name, changes in OTHERS.items():
        write(folder, name, **changes)
    write(folder, "apart", micro_batch_size=1, **EPOCH)
    write(folder, "together", micro_batch_size=1, **PACKED, **EPOCH)
    names = [f"{setting}-{logits}" for setting in SETTINGS for logits in (True, False)]
    return folder, train_all(folder, [*names, "old-auto", *OTHERS, "apart", "together"])


@pytest.mark.parametrize("setting", SETTINGS)
def test_loss_and_gradients_equal_those_of_all_logits(done, setting):
    at_answers, everywhere = (steps(witness(done[0], f"{setting}-{logits}")) for logits in (True, False))
    assert len(at_answers) == 3
    assert at_answers == [pytest.approx(step, rel=2e-4) for step in everywhere]


def test_model_without_logits_to_keep_falls_back_and_logs_once(done):
    folder, output = done
    assert (
        output.count("logits are computed for every token: the forward of OldForCausalLM has no `logits_to_keep`") == 1
    )
    own_loss = {"eaft", "dft"} & set(OTHERS)
    expected = len(SETTINGS) + len(OTHERS) - len(own_loss) + len(("apart", "together"))
    assert output.count("logits are computed only at answer tokens") == expected
    taken, expected = (steps(witness(folder, name)) for name in ("old-auto", "padded-True"))
    assert taken == [pytest.approx(step, rel=2e-4) for step in expected]


def test_bfloat16_trains_on_the_cpu(done):
    folder, _ = done
    taken, expected = (steps(witness(folder, name)) for name in ("bfloat16", "float32"))
    assert taken == [pytest.approx(step, rel=2e-2) for step in expected]


@pytest.mark.parametrize("name", OTHERS)
def test_further_settings_train(done, name):
    """Balanced labels need prepared examples, which do not carry the depth of their answers."""
    folder, output = done
    logs = [entry for entry in witness(folder, name)["logs"] if "loss" in entry]
    assert len(logs) == 3
    assert any(key.startswith("in2/loss_") for key in logs[0]) == ("balanced" not in name)
    if "balanced" in name:
        assert "examples are prepared in advance: `balance_labels:` is set" in output


def mean_loss(folder: Path, name: str) -> tuple[int, float]:
    """Return (answer tokens, mean loss per answer token) of a whole run."""
    logs = [entry for entry in witness(folder, name)["logs"] if "loss" in entry]
    tokens = [entry["in2/answer_tokens_per_step"] for entry in logs]
    return round(sum(tokens)), sum(n * entry["loss"] for n, entry in zip(tokens, logs, strict=True)) / sum(tokens)


def test_packed_examples_do_not_attend_to_each_other(done):
    """Compare the mean loss of an epoch at learning rate zero with that of one example per row."""
    folder, _ = done
    (n_apart, apart), (n_together, together) = (mean_loss(folder, name) for name in ("apart", "together"))
    assert n_together == n_apart
    n_steps, n_examples = (len(steps(witness(folder, name))) for name in ("together", "apart"))
    assert n_steps < n_examples / 2
    assert together == pytest.approx(apart, rel=1e-6)
