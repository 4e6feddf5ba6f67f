"""Prompts for `rl: grpo` from a loaded Axolotl config: which fit, and what is refused."""

from dataclasses import replace

import pytest

from in2_plugin.axolotl import IN2Plugin
from in2_plugin.errors import ConfigError
from in2_plugin.training.axolotl.plugins import PLUGIN
from in2_plugin.training.axolotl.prompts import (
    choose_axolotl_prompts,
    generation_settings,
    load_prompt_datasets,
    most_prompt_tokens,
)
from tests.support.axolotl_configs import ConfigLoader

GRPO = {"rl": "grpo", "sequence_len": 1_024, "trl": {"max_completion_length": 64}, "micro_batch_size": 8}


@pytest.fixture
def config(built, mistral_folder, tmp_path) -> ConfigLoader:
    return ConfigLoader(tmp_path, built, mistral_folder)


def loaded(cfg):
    return load_prompt_datasets(cfg, choose_axolotl_prompts(cfg))


def test_prompts_and_completions_fit_into_the_sequence(config):
    cfg = config(**GRPO, in2={"number_segments": True})
    assert most_prompt_tokens(cfg) == 960
    meta = loaded(cfg)
    tokens = [row["prompt_tokens"] for row in meta.train_dataset]
    assert 0 < len(tokens) < 130 and max(tokens) <= 960
    assert "[2] " in meta.train_dataset[0]["prompt"][0]["content"]
    assert meta.eval_dataset is None and meta.total_num_steps is None


def test_prompts_are_held_out(config):
    whole = len(loaded(config(**GRPO)).train_dataset)
    meta = loaded(config(**GRPO, val_set_size=9))
    assert (len(meta.train_dataset), len(meta.eval_dataset)) == (whole - 9, 9)
    entry = {"path": str(config.dataset), "type": "in2"}
    meta = loaded(config(**GRPO, test_datasets=[entry]))
    assert len(meta.train_dataset) == len(meta.eval_dataset) == whole


def test_no_context_is_in_both_parts(config):
    cfg = config(**GRPO, val_set_size=0.1)
    chosen = choose_axolotl_prompts(cfg)
    both = replace(chosen, places=tuple((*place[:2], turn) for place in chosen.places for turn in (0, 1)))
    meta = load_prompt_datasets(cfg, both)
    parts = [part.with_format("numpy")[:]["in2_example"].tolist() for part in (meta.train_dataset, meta.eval_dataset)]
    assert not set(parts[0]) & set(parts[1]) and len(parts[1]) == 2 * round(0.1 * len(chosen.places))
    assert sorted(parts[0] + parts[1]) == [place[1] for place in both.places]


@pytest.mark.parametrize("section", ["datasets", "test_datasets"])
@pytest.mark.parametrize("key", ["shards", "split"])
def test_keys_that_are_not_read_are_refused(config, section, key):
    entry = {"path": str(config.dataset), "type": "in2", key: {"shards": 2, "split": "train[:5]"}[key]}
    with pytest.raises(ConfigError, match=f"under `rl: grpo`, `{key}:` of the dataset .* is not read; remove it"):
        choose_axolotl_prompts(config(**GRPO, **{section: [entry]}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trl": {"num_generations": 8}}, r"`rl: grpo` needs `trl: \{max_completion_length: \.\.\.\}`"),
        ({"sequence_len": 64}, "`trl.max_completion_length: 64` leaves no room for a prompt in `sequence_len: 64`"),
        ({"sequence_len": 100}, "no prompt is left to train on: 130 prompts longer than 36 tokens"),
    ],
)
def test_settings_without_room_are_refused(config, changes, message):
    with pytest.raises(ConfigError, match=message):
        choose_axolotl_prompts(config(**{**GRPO, **changes}))


def test_settings_that_axolotl_drops_are_passed_on(config):
    without_thoughts = {"chat_template_kwargs": {"enable_thinking": False}}
    cfg = config(**{**GRPO, "trl": {**GRPO["trl"], **without_thoughts}})
    assert generation_settings(cfg) == without_thoughts == IN2Plugin().get_training_args(cfg)
    assert generation_settings(config(**GRPO)) == {}
    export = {"plugins": [PLUGIN], "datasets": [{"path": "prompts"}], "trl": without_thoughts}
    assert IN2Plugin().get_training_args({**export, "rl": "grpo"}) == without_thoughts
    assert IN2Plugin().get_training_args({**export, "rl": "dpo"}) == {}


def test_other_datasets_cannot_be_mixed_in(config):
    ours, other = {"path": str(config.dataset), "type": "in2"}, {"path": "x", "type": "mine.transform"}
    with pytest.raises(ConfigError, match="x cannot be mixed with datasets of `type: in2`; write those with `in2"):
        choose_axolotl_prompts(config(**GRPO, datasets=[ours, other]))
