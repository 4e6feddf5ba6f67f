"""Check the shapes of published models against transformers and the publishers' numbers."""

import pytest

from in2_plugin.recipe.folder import find_recipe
from in2_plugin.recipe.planning.published_models import CONFIGS, adapter_weights, dense_shape
from in2_plugin.recipe.training_file import read_training_file

PUBLISHED = {"mistralai/Mistral-7B-Instruct-v0.2": 7_241_732_096, "meta-llama/Llama-3.1-8B-Instruct": 8_030_261_248,
             "Qwen/Qwen3-4B": 4_022_468_096, "Qwen/Qwen3-8B": 8_190_735_360}  # fmt: skip

"""Parameters as published."""


@pytest.mark.parametrize("name", CONFIGS)
def test_shapes_equal_those_of_transformers(name):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from in2_plugin.preflight.shape import shape_of

    config = AutoConfig.for_model(**CONFIGS[name])
    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(config)
    assert dense_shape(CONFIGS[name]) == shape_of(config, skeleton)
    assert PUBLISHED.get(name, skeleton.num_parameters()) == skeleton.num_parameters()


def test_adapters_are_counted_as_their_matrices():
    shape = dense_shape(CONFIGS["mistralai/Mistral-7B-Instruct-v0.2"])
    file = read_training_file(find_recipe("lora-80gb").path / "axolotl.yml")
    each = 4_096 + 4_096, 4_096 + 1_024, 4_096 + 1_024, 4_096 + 4_096, *[4_096 + 14_336] * 3
    assert file.adapter(shape) == file.cfg.lora_r * 32 * sum(each)
    assert adapter_weights(shape, 8, frozenset({"q_proj"})) == 8 * 32 * 8_192
    assert file.setup(1, shape).trained == file.adapter(shape)
