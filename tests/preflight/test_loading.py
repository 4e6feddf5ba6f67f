"""Axolotl configs on a machine without a GPU, and invalid configs."""

import pytest
import torch

from in2_plugin.errors import ConfigError
from in2_plugin.preflight.loading import choose_gpu, load_config, read_file
from in2_plugin.training.axolotl.plugins import has_plugin, loaded_unlisted


@pytest.mark.parametrize("value", [True, "auto"])
def test_bf16_is_resolved_for_the_stated_gpu(axolotl_file, value):
    cfg = load_config(axolotl_file(bf16=value), "A100-80G")
    assert cfg.bf16 is True and not cfg.fp16 and cfg.torch_dtype == torch.bfloat16


def test_values_of_the_file_are_kept(axolotl_file, tmp_path, built):
    cfg = load_config(axolotl_file(overrides_of_model_config={"sliding_window": None}))
    assert (cfg.sequence_len, cfg.num_epochs, cfg.seed) == (2_048, 2, 1)
    assert [entry.path for entry in cfg.datasets] == [str(built)]
    assert cfg.overrides_of_model_config == {"sliding_window": None}
    assert [path.name for path in tmp_path.iterdir()] == ["axolotl.yml"], "nothing is written"


def test_short_sequence_len_is_kept_for_the_checks(axolotl_file):
    assert load_config(axolotl_file(sequence_len=700)).sequence_len == 700


def test_stdout_stays_empty(axolotl_file, capsys):
    load_config(axolotl_file())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequnce_len": 3}, "does not know the key `sequnce_len`; did you mean `sequence_len`?"),
        ({"micro_batch_size": "many"}, "Axolotl rejects it: `micro_batch_size`: Input should be a valid integer"),
        ({"datasets": [{"path": "none", "type": "in2"}]}, "there is no IN2 dataset at none; build it"),
        ({"plugins": ["nowhere.Plugin"]}, "the plugin `nowhere.Plugin` cannot be imported (No module named"),
        ({"in2": {"gpu": "TPU"}}, "unknown GPU `TPU`; choose one of A100-40G, "),
        ({"in2": {"lazzy": True}}, "`in2.lazzy`"),
        ({"base_model": "no/such/model"}, "rejects it: "),
    ],
)
def test_refusals_are_one_sentence(axolotl_file, changes, message):
    with pytest.raises(ConfigError) as refused:
        load_config(axolotl_file(**changes))
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_plugin_that_is_not_listed(axolotl_file):
    """Axolotl 0.21 loads it for `type: in2`; with 0.19 the user is told to list it."""
    path = axolotl_file(plugins=None, in2={"gpu": "A100-40G"})
    if loaded_unlisted():
        cfg = load_config(path)
        assert has_plugin(cfg) and cfg.in2.gpu == "A100-40G"
    else:
        with pytest.raises(ConfigError, match=r"`type: in2` needs the plugin, .*; add `plugins: "):
            load_config(path)


def test_misspelled_keys_are_refused_only_in_configs_that_use_in2(axolotl_file, chats):
    other = [{"path": str(chats), "type": "chat_template"}]
    assert not has_plugin(load_config(axolotl_file(plugins=None, datasets=other, sequnce_len=3)))
    with pytest.raises(ConfigError, match="does not know the key `sequnce_len`"):
        load_config(axolotl_file(datasets=other, sequnce_len=3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("- 1", "has no `base_model:`"),
        ("a: 1", "has no `base_model:`"),
        (None, "cannot be"),
    ],
)
def test_invalid_files(tmp_path, text, message):
    path = tmp_path / "c.yml"
    if text:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_file(path)


def test_gpus_by_name():
    assert choose_gpu("a100-40g").name == "A100-40G"
    assert choose_gpu(None).name == "A100-80G" or torch.cuda.is_available()
