"""What `in2 sft` reads: TRL's own keys, from its own parser, with the settings of IN2 examples as defaults.

A dataset of ours is an entry `{path: in2, data_dir: FOLDER}` under `datasets:`; with `split: test` it is held out.
Invariant: every key is known to TRL, to us or to accelerate, and every key of an entry is heeded, or it is an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from accelerate.commands.launch import launch_command_parser
from datasets import Dataset
from trl import DatasetMixtureConfig, ModelConfig, ScriptArguments, SFTConfig, TrlParser
from trl.scripts.utils import DatasetConfig

from in2_plugin.config.base import nearest
from in2_plugin.errors import ConfigError
from in2_plugin.training.trl.data import load_in2_dataset, longest_of
from in2_plugin.training.trl.settings import refuse_unfit, sft_settings

OURS = "in2"
"""The `path` of an entry that is ours."""
HEEDED = {"path", "data_dir", "split"}
ACCELERATE_CONFIG = "--accelerate_config"
"""TRL's own option of the launch: a file for accelerate, or the name of one that comes with TRL."""


@dataclass
class IN2Arguments:
    """Our own keys, beside TRL's."""

    length_balanced: bool = field(
        default=True, metadata={"help": "Order examples so that the ranks of a step get like lengths."}
    )


@dataclass(frozen=True, slots=True)
class Arguments:
    """A command line with its file, parsed."""

    script: ScriptArguments
    training: SFTConfig
    model: ModelConfig
    mixture: DatasetMixtureConfig
    in2: IN2Arguments
    launch: tuple[str, ...]
    """What is meant for accelerate."""


def parse(argv: Sequence[str]) -> Arguments:
    """Parse the arguments of `in2 sft`; `-h` prints TRL's keys and ours.

    Raises:
        ConfigError: a key that neither TRL nor accelerate knows, or the file cannot be read.
    """
    types = (ScriptArguments, SFTConfig, ModelConfig, DatasetMixtureConfig, IN2Arguments)
    parser = TrlParser(types, prog="in2 sft")
    parser.set_defaults_with_config(**sft_settings())
    try:
        *parsed, from_file, typed = parser.parse_args_and_config(
            list(argv), return_remaining_strings=True, separate_remaining_strings=True
        )
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(f"the arguments of `in2 sft` cannot be read: {error}") from error
    launch = (*from_file, *typed)
    _refuse_unknown(launch, {one.name for each in types for one in fields(each)})
    script, training, model, mixture, in2 = parsed
    return Arguments(script, training, model, mixture, in2, launch)


def _refuse_unknown(launch: Sequence[str], ours: set[str]) -> None:
    options = {option for action in launch_command_parser()._actions for option in action.option_strings}
    for word in launch:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in {*options, ACCELERATE_CONFIG}:
            known = {*ours, *(option.removeprefix("--") for option in options)}
            near = nearest(name.removeprefix("--"), known)
            advice = f"did you mean `{near}`?" if near else "remove it"
            raise ConfigError(f"neither TRL nor accelerate knows the key `{name.removeprefix('--')}`; {advice}")


def load_datasets(arguments: Arguments, tokenizer: Any) -> tuple[Dataset, Dataset | None]:
    """The training examples, and the held-out ones where the model is to be evaluated.

    Raises:
        ConfigError: an entry says what cannot be heeded, or a setting does not fit IN2 examples.
        DatasetError, TokenizerMismatch: a dataset cannot be used.
    """
    folders = _folders(arguments)
    train = load_in2_dataset(folders["train"], tokenizer)
    held_out = load_in2_dataset(folders["test"], tokenizer) if folders["test"] else None
    if size := arguments.mixture.test_split_size:
        split = train.train_test_split(test_size=size, seed=arguments.training.seed)
        train, held_out = split["train"], split["test"]
    refuse_unfit(arguments.training, longest_of(train, held_out))
    return train, held_out


def _folders(arguments: Arguments) -> dict[str, list[str]]:
    """The folders of each split."""
    mixture, evaluates = arguments.mixture, arguments.training.eval_strategy != "no"
    if arguments.script.dataset_name or not mixture.datasets:
        raise ConfigError("give the data as `datasets: [{path: in2, data_dir: data/my-in2}]`, without `dataset_name`")
    folders: dict[str, list[str]] = {"train": [], "test": []}
    for entry in mixture.datasets:
        folders[_split(entry)].append(entry.data_dir)
    if mixture.streaming or arguments.script.dataset_streaming:
        raise ConfigError("IN2 examples are put together when they are needed, and not streamed; remove `streaming`")
    if not folders["train"]:
        raise ConfigError("every entry of `datasets` is held out; give one without `split: test` to train on")
    if folders["test"] and mixture.test_split_size:
        raise ConfigError("there are both `split: test` and `test_split_size`; remove one of them")
    if evaluates != bool(folders["test"] or mixture.test_split_size):
        raise ConfigError(
            "`eval_strategy` and held-out examples go together: give both (`split: test` in an entry, or "
            "`test_split_size`), or neither"
        )
    return folders


def _split(entry: DatasetConfig) -> str:
    """The split of an entry that can be heeded as it is written."""
    if entry.path != OURS:
        raise ConfigError(
            f"the dataset `{entry.path}` is not IN2's: entries read `{{path: in2, data_dir: FOLDER}}`; `in2 export` "
            "writes IN2 examples for `trl sft`, where they can be mixed with others"
        )
    if not entry.data_dir:
        raise ConfigError("an entry `path: in2` has no `data_dir`; give the folder that `in2 build` made")
    for one in fields(entry):
        if one.name not in HEEDED and getattr(entry, one.name) != one.default:
            raise ConfigError(f"`{one.name}` of the dataset {entry.data_dir} has no effect on IN2 examples; remove it")
    if entry.split not in ("train", "test"):
        raise ConfigError(f"`split: {entry.split}` of {entry.data_dir}: set `train`, or `test` to hold it out")
    return str(entry.split)
