"""Axolotl files on a machine without a GPU, and files that cannot be used."""

import pytest
import torch

from in2_plugin.errors import ConfigError
from in2_plugin.preflight.loading import choose_gpu, load_config, read_file


@pytest.mark.parametrize("asked", [True, "auto"])
def test_bf16_is_what_the_stated_gpu_makes_of_it(axolotl_file, asked):
    cfg = load_config(axolotl_file(bf16=asked), "A100-80G")
    assert cfg.bf16 is True and not cfg.fp16 and cfg.torch_dtype == torch.bfloat16


def test_what_the_file_says_comes_through(axolotl_file, tmp_path, built):
    cfg = load_config(axolotl_file(overrides_of_model_config={"sliding_window": None}))
    assert (cfg.sequence_len, cfg.num_epochs, cfg.seed) == (2_048, 2, 1)
    assert [entry.path for entry in cfg.datasets] == [str(built)]
    assert cfg.overrides_of_model_config == {"sliding_window": None}
    assert [path.name for path in tmp_path.iterdir()] == ["axolotl.yml"], "nothing is written"


def test_a_length_that_is_too_short_is_for_the_checks_to_say(axolotl_file):
    assert load_config(axolotl_file(sequence_len=700)).sequence_len == 700


def test_stdout_stays_free(axolotl_file, capsys):
    load_config(axolotl_file())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sequnce_len": 3}, "does not know the key `sequnce_len`; did you mean `sequence_len`?"),
        ({"micro_batch_size": "many"}, "Axolotl refuses it: `micro_batch_size`: Input should be a valid integer"),
        ({"datasets": [{"path": "none", "type": "in2"}]}, "there is no IN2 dataset at none; build it"),
        ({"plugins": ["nowhere.Plugin"]}, "the plugin `nowhere.Plugin` cannot be imported; install it"),
        ({"in2": {"gpu": "TPU"}}, "no GPU is called `TPU` here; give one of A100-40G, "),
        ({"in2": {"lazzy": True}}, "`in2.lazzy`"),
        ({"base_model": "no/such/model"}, "refuses it: "),
    ],
)
def test_refusals_are_one_sentence(axolotl_file, changes, says):
    with pytest.raises(ConfigError) as refused:
        load_config(axolotl_file(**changes))
    assert says in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "is not YAML"),
        ("- 1", "names no `base_model:`"),
        ("a: 1", "names no `base_model:`"),
        (None, "cannot be"),
    ],
)
def test_files_that_are_none(tmp_path, text, says):
    path = tmp_path / "c.yml"
    if text:
        path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_file(path)


def test_gpus_by_name():
    assert choose_gpu("a100-40g").name == "A100-40G"
    assert choose_gpu(None).name == "A100-80G" or torch.cuda.is_available()
