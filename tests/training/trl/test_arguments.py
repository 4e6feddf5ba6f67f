"""The arguments of `in2 sft`: TRL's keys, ours, accelerate's options, and invalid ones."""

import re
import warnings

import pytest
import yaml

from in2_plugin.errors import ConfigError, DatasetError
from in2_plugin.training.trl.arguments import load_datasets, parse
from in2_plugin.training.trl.data import EXAMPLE, with_answers
from in2_plugin.training.trl.launch import launch_options
from in2_plugin.training.trl.sft import load_tokenizer
from tests.support import ROOT

GUIDE = ROOT / "docs/trl.md"
CPU = {"use_cpu": True, "bf16": False, "report_to": "none"}


@pytest.fixture
def parsed(tmp_path, built, mistral_folder):
    """Return a function that parses a config file with changes and command-line words."""

    def parsed(*words, **changes):
        entry = {"path": "in2", "data_dir": str(built)}
        values = {"model_name_or_path": str(mistral_folder), "datasets": [entry], "output_dir": str(tmp_path / "out"),
                  **CPU, **changes}  # fmt: skip
        values = {key: value for key, value in values.items() if value is not None}
        (tmp_path / "sft.yml").write_text(yaml.safe_dump(values))
        return parse(["--config", str(tmp_path / "sft.yml"), *words])

    return parsed


def loaded(arguments):
    return load_datasets(arguments, load_tokenizer(arguments))


def test_settings_of_in2_examples_are_defaults(parsed, built):
    arguments = parsed()
    assert arguments.training.max_length is None and arguments.training.remove_unused_columns is False
    assert arguments.training.dataset_kwargs == {"skip_prepare_dataset": True}
    assert arguments.in2.length_balanced and arguments.in2.answer_weighting == "token"
    train, held_out = loaded(arguments)
    assert len(train) == 130 and held_out is None


def test_file_and_command_line_override_defaults(parsed):
    arguments = parsed("--max_length", "4096", "--length_balanced", "false", learning_rate=0.5, packing=False)
    assert (arguments.training.max_length, arguments.training.learning_rate) == (4_096, 0.5)
    assert not arguments.in2.length_balanced
    assert parsed("--answer_weighting", "opening").in2.answer_weighting == "opening"
    with pytest.raises(ConfigError, match=r"`max_length: 600` is below the longest example"):
        loaded(parsed(max_length=600))
    with pytest.raises(ConfigError, match=r"`packing: true` has no effect"):
        loaded(parsed("--packing"))


def test_the_objective_and_its_teacher(parsed):
    arguments = parsed(objective="both", distill={"weight": 0.5})
    assert arguments.in2.objective == "both" and arguments.in2.distillation.weight == 0.5
    typed = parsed("--objective", "both", "--distill", '{"teacher": "current"}').in2
    assert typed.distillation.teacher == "current" and parsed().in2.distill is None
    with pytest.raises(ConfigError, match=r"`--distill weight=1` is not JSON .*; write, for example, `--distill '"):
        loaded(parsed("--objective", "both", "--distill", "weight=1"))
    with pytest.raises(ConfigError, match="section `distill`: unknown key `wieght`; did you mean `weight`"):
        loaded(parsed(objective="both", distill={"wieght": 0.5}))
    with pytest.raises(ConfigError, match="`distill` has no effect under `objective: answer`"):
        loaded(parsed(distill={"weight": 0.5}))
    with pytest.raises(DatasetError, match="has no scores of a teacher `initial`"):
        loaded(parsed(objective="both"))
    with pytest.raises(DatasetError, match="has no gold rows; run `in2 teach"):
        loaded(parsed(objective="both", use_peft=True))


def test_accelerate_options_are_passed_on(parsed):
    arguments = parsed("--num_processes", "2", main_process_port=0)
    assert arguments.launch == ("--main_process_port", "0", "--num_processes", "2")
    assert launch_options(arguments.launch) == list(arguments.launch)


@pytest.mark.parametrize(
    ("words", "changes", "message"),
    [
        ((), {"lerning_rate": 1}, "neither TRL nor accelerate knows the key `lerning_rate`; did you mean `learning_ra"),
        (("--num_procesess", "2"), {}, "knows the key `num_procesess`; did you mean `num_processes`"),
        (("--qqqqqqqq",), {}, "knows the key `qqqqqqqq`; remove it"),
        ((), {"datasets": [{"path": "in2", "data_dirr": "x"}]}, "arguments of `in2 sft` cannot be read: .*data_dirr"),
    ],
)
def test_unknown_keys_are_refused(parsed, words, changes, message):
    with pytest.raises(ConfigError, match=message):
        parsed(*words, **changes)


def test_the_name_of_checkpointing_that_all_versions_know_does_not_warn(parsed):
    """transformers 5.24 calls it `activation_checkpointing`."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        assert parsed().training.gradient_checkpointing is True
        assert parsed(gradient_checkpointing=False).training.gradient_checkpointing is False
        assert parsed("--gradient_checkpointing", "false").training.gradient_checkpointing is False


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read: .*none.yml"):
        parse(["--config", str(tmp_path / "none.yml")])


def test_entries_are_concatenated_or_held_out(parsed, built):
    entry = {"path": "in2", "data_dir": str(built)}
    entries = [entry, entry, {**entry, "split": "test"}]
    train, held_out = loaded(parsed(datasets=entries, eval_strategy="steps", eval_steps=5))
    assert (len(train), len(held_out)) == (260, 130)


def test_test_split_is_deterministic(parsed):
    found = [loaded(parsed(test_split_size=0.1, eval_strategy="epoch", seed=seed)) for seed in (1, 1, 2)]
    assert [(len(train), len(held_out)) for train, held_out in found] == [(117, 13)] * 3
    numbers = [with_answers(held_out)[:][EXAMPLE] for _, held_out in found]
    assert numbers[0] == numbers[1] != numbers[2]


def entries(*changes):
    return {"datasets": [{"path": "in2", "data_dir": "data/a", **change} for change in changes]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": None, "dataset_name": "imdb"}, "set `datasets:"),
        ({"dataset_name": "imdb"}, "remove `dataset_name`"),
        (entries({"path": "imdb"}), "the dataset `imdb` is not an IN2 dataset"),
        (entries({"data_dir": None}), "has no `data_dir`"),
        (entries({"fraction": 0.5}), "`fraction` of the dataset data/a has no effect"),
        (entries({"columns": ["a"]}), "`columns` of the dataset data/a has no effect"),
        (entries({"split": "validation"}), "`split: validation` of data/a: set `train`, or `test`"),
        (entries({"split": "test"}), "every entry of `datasets` is held out"),
        ({"streaming": True}, "`streaming` has no effect"),
        ({"test_split_size": 0.1}, "`eval_strategy` and held-out examples go together"),
        ({"eval_strategy": "steps", "eval_steps": 5}, "`eval_strategy` and held-out examples go together"),
        (
            {**entries({}, {"split": "test"}), "test_split_size": 0.1},
            "and `test_split_size` are both set",
        ),
        ({"model_name_or_path": None}, "`model_name_or_path` is not set"),
        ({"model_name_or_path": "/no/model"}, "cannot load the tokenizer of `model_name_or_path: /no/model`"),
    ],
)
def test_invalid_entries_are_refused(parsed, changes, message):
    with pytest.raises(ConfigError, match=message):
        loaded(parsed(**changes))


def test_documented_files_are_read(tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    whole, deepspeed = map(yaml.safe_load, blocks)
    (tmp_path / "sft.yml").write_text(yaml.safe_dump({**whole, **CPU}))
    arguments = parse(["--config", str(tmp_path / "sft.yml")])
    assert [entry.split for entry in arguments.mixture.datasets] == ["train", "test"]
    assert deepspeed["deepspeed"]["zero_optimization"]["stage"] == 3
