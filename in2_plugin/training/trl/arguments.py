"""Parse the arguments of `in2 sft` with TRL's own parser; the settings that IN2 examples need are the defaults.

An IN2 dataset is an entry `{path: in2, data_dir: FOLDER}` under `datasets:`; `split: test` holds it out. Invariant: a
key that neither TRL, accelerate nor this package knows is an error, and so is a key of an entry that has no effect.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from accelerate.commands.launch import launch_command_parser
from datasets import Dataset
from trl import DatasetMixtureConfig, ModelConfig, ScriptArguments, SFTConfig, TrlParser
from trl.scripts.utils import DatasetConfig

from in2_plugin.config.sentences import nearest
from in2_plugin.errors import ConfigError
from in2_plugin.training.distillation.teachers import is_in_step, open_teachers
from in2_plugin.training.options import DistillOptions, Objective, Weighting
from in2_plugin.training.trl.data import load_in2_dataset, longest_of, transform_of
from in2_plugin.training.trl.settings import refuse_incompatible, sft_settings

IN2_PATH = "in2"
"""The `path` of an entry for an IN2 dataset."""
SUPPORTED_KEYS = {"path", "data_dir", "split"}
ACCELERATE_CONFIG = "--accelerate_config"
"""TRL's launch option: an accelerate config file, or the name of one that TRL ships."""


@dataclass
class IN2Arguments:
    """Keys that this package adds to TRL's."""

    length_balanced: bool = field(
        default=True, metadata={"help": "Order examples so that the ranks of a step get similar lengths."}
    )
    answer_weighting: Weighting = field(
        default="token",
        metadata={
            "help": "Weight of an answer token: equal for every `token`, equal for every answer (`question`), or half "
            "of each answer's weight on its `opening`."
        },
    )
    objective: Objective = field(
        default="answer",
        metadata={
            "help": "What is trained at each answer token: the stored `answer`, the distribution of a teacher that "
            "reads the gold segments alone (`distill`), or `both`, added."
        },
    )
    distill: dict[str, Any] | str | None = field(
        default=None,
        metadata={
            "help": "The teacher, and how it counts: `{teacher, weight, temperature, top_k}`; in JSON on the command "
            "line."
        },
    )

    @property
    def distillation(self) -> DistillOptions:
        """Return the options of the objective.

        Raises:
            ConfigError: a key or value of `distill` is wrong, or has no effect.
        """
        given = self.distill
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except ValueError as error:
                raise ConfigError(
                    f"`--distill {given}` is not JSON ({error}); write, for example, `--distill '{{\"weight\": 0.5}}'`"
                ) from None
        return DistillOptions.of(given, self.objective)


@dataclass(frozen=True, slots=True)
class SFTArguments:
    """The parsed command line and config file."""

    script: ScriptArguments
    training: SFTConfig
    model: ModelConfig
    mixture: DatasetMixtureConfig
    in2: IN2Arguments
    launch: tuple[str, ...]
    """Options for accelerate."""


def parse(argv: Sequence[str]) -> SFTArguments:
    """Parse the arguments of `in2 sft`; `-h` prints TRL's keys and ours.

    Raises:
        ConfigError: a key is unknown to TRL and accelerate, or the file cannot be read.
    """
    types = (ScriptArguments, SFTConfig, ModelConfig, DatasetMixtureConfig, IN2Arguments)
    parser = TrlParser(types, prog="in2 sft")
    parser.set_defaults_with_config(**sft_settings())
    try:
        with warnings.catch_warnings():
            # transformers 5.24 prefers `activation_checkpointing`, unknown to 5.20, and TRL itself sets the old name
            warnings.filterwarnings("ignore", message="`gradient_checkpointing", category=FutureWarning)
            *parsed, from_file, typed = parser.parse_args_and_config(
                list(argv), return_remaining_strings=True, separate_remaining_strings=True
            )
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(f"the arguments of `in2 sft` cannot be read: {error}") from error
    launch = (*from_file, *typed)
    _refuse_unknown(launch, {one.name for each in types for one in fields(each)})
    script, training, model, mixture, in2 = parsed
    return SFTArguments(script, training, model, mixture, in2, launch)


def _refuse_unknown(launch: Sequence[str], ours: set[str]) -> None:
    options = {option for action in launch_command_parser()._actions for option in action.option_strings}
    for word in launch:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in {*options, ACCELERATE_CONFIG}:
            known = {*ours, *(option.removeprefix("--") for option in options)}
            near = nearest(name.removeprefix("--"), known)
            advice = f"did you mean `{near}`?" if near else "remove it"
            raise ConfigError(f"neither TRL nor accelerate knows the key `{name.removeprefix('--')}`; {advice}")


def load_datasets(arguments: SFTArguments, tokenizer: Any) -> tuple[Dataset, Dataset | None]:
    """Return the training examples, and the held-out examples if the run evaluates.

    Raises:
        ConfigError: an entry is invalid, or a setting conflicts with IN2 examples.
        DatasetError, TokenizerMismatch: a dataset cannot be used.
    """
    folders = _folders(arguments)
    train = load_in2_dataset(folders["train"], tokenizer)
    held_out = load_in2_dataset(folders["test"], tokenizer) if folders["test"] else None
    if size := arguments.mixture.test_split_size:
        split = train.train_test_split(test_size=size, seed=arguments.training.seed)
        train, held_out = split["train"], split["test"]
    refuse_incompatible(arguments.training, longest_of(train, held_out))
    _require_teachers(arguments, train, held_out)
    return train, held_out


def _require_teachers(arguments: SFTArguments, *datasets: Dataset | None) -> None:
    """Raise here, before processes start, if a teacher is missing."""
    options = arguments.in2.distillation  # refuses one without effect
    if arguments.in2.objective != "answer":
        transforms = filter(None, map(transform_of, datasets))
        folders = [folder for transform in transforms for folder in transform.examples.folders]
        open_teachers(folders, options, in_step=is_in_step(folders, options, adapter=arguments.model.use_peft))


def _folders(arguments: SFTArguments) -> dict[str, list[str]]:
    """Return the folders of each split."""
    mixture, evaluates = arguments.mixture, arguments.training.eval_strategy != "no"
    if arguments.script.dataset_name or not mixture.datasets:
        raise ConfigError("set `datasets: [{path: in2, data_dir: data/my-in2}]` and remove `dataset_name`")
    folders: dict[str, list[str]] = {"train": [], "test": []}
    for entry in mixture.datasets:
        folders[_split(entry)].append(entry.data_dir)
    if mixture.streaming or arguments.script.dataset_streaming:
        raise ConfigError("`streaming` has no effect on IN2 examples, which are loaded lazily anyway; remove it")
    if not folders["train"]:
        raise ConfigError("every entry of `datasets` is held out; add an entry without `split: test` to train on")
    if folders["test"] and mixture.test_split_size:
        raise ConfigError("`split: test` and `test_split_size` are both set; remove one of them")
    if evaluates != bool(folders["test"] or mixture.test_split_size):
        raise ConfigError(
            "`eval_strategy` and held-out examples go together: set both (held-out examples with `split: test` in an "
            "entry or with `test_split_size`), or neither"
        )
    return folders


def _split(entry: DatasetConfig) -> str:
    """Return the split of an entry after checking the entry."""
    if entry.path != IN2_PATH:
        raise ConfigError(
            f"the dataset `{entry.path}` is not an IN2 dataset; write entries as `{{path: in2, data_dir: FOLDER}}`, or "
            "use `in2 export` and `trl sft` to mix IN2 examples with other datasets"
        )
    if not entry.data_dir:
        raise ConfigError("an entry `path: in2` has no `data_dir`; set it to the folder that `in2 build` wrote")
    for one in fields(entry):
        if one.name not in SUPPORTED_KEYS and getattr(entry, one.name) != one.default:
            raise ConfigError(f"`{one.name}` of the dataset {entry.data_dir} has no effect on IN2 examples; remove it")
    if entry.split not in ("train", "test"):
        raise ConfigError(f"`split: {entry.split}` of {entry.data_dir}: set `train`, or `test` to hold it out")
    return str(entry.split)
