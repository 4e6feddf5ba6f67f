"""Misspelled keys are found with Axolotl's own schema."""

import pytest
import yaml
from axolotl.utils.schemas.config import AxolotlInputConfig

from in2_plugin.errors import ConfigError
from in2_plugin.training.axolotl.args import IN2Args
from in2_plugin.training.axolotl.keys import refuse_unknown_keys


class Schema(AxolotlInputConfig, IN2Args):
    """The schema that Axolotl merges when our plugin is listed."""


VALID = """
base_model: m
model_type: MistralForCausalLM
datasets:
  - path: data/x
    type: in2
  - path: y
    type: {field_instruction: q, field_output: a}
fsdp_version: 2
fsdp_config: {fsdp_offload_params: true, auto_wrap_policy: TRANSFORMER_BASED_WRAP}
deepspeed: {zero_optimization: {stage: 3, anything: {goes: here}}}
special_tokens: {pad_token: "</s>"}
in2: {accept_keys: []}
lora_r: 8
peft: {loftq_config: {loftq_bits: 4}}
"""


def test_valid_config_passes():
    refuse_unknown_keys(yaml.safe_load(VALID), Schema)


@pytest.mark.parametrize(
    ("change", "key", "near"),
    [
        ({"sequnce_len": 1}, "sequnce_len", "sequence_len"),
        ({"datasets": [{"path": "a", "typ": "in2"}]}, "datasets[0].typ", "type"),
        ({"datasets": [{"path": "a"}, {"pth": "b"}]}, "datasets[1].pth", "path"),
        ({"test_datasets": [{"path": "a", "splt": "x"}]}, "test_datasets[0].splt", "split"),
        ({"in2": {"accept_key": []}}, "in2.accept_key", "accept_keys"),
        ({"fsdp_config": {"offload_param": 1}}, "fsdp_config.offload_param", "offload_params"),
        ({"peft": {"loftq_config": {"loftq_bit": 1}}}, "peft.loftq_config.loftq_bit", "loftq_bits"),
        ({"datasets": [{"path": "a", "type": {"field_instructions": "q"}}]}, "field_instructions", "field_instruction"),
    ],
)
def test_misspelled_key_at_any_depth_names_the_nearest_key(change, key, near):
    with pytest.raises(ConfigError) as caught:
        refuse_unknown_keys({**yaml.safe_load(VALID), **change}, Schema)
    assert f"{key}`; did you mean `{near}`?" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_key_without_a_near_match_is_refused():
    with pytest.raises(ConfigError, match="it would be ignored; remove it"):
        refuse_unknown_keys({"zzzqqq": 1}, Schema)


def test_accepted_keys_pass():
    refuse_unknown_keys({"zzzqqq": 1, "datasets": [{"yyy": 2}]}, Schema, ("zzzqqq", "datasets[0].yyy"))
