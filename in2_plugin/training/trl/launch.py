"""Launching `in2 sft` as `trl sft` launches: accelerate starts the script in as many processes as it is told to.

Data and settings are checked here first, once and in one sentence, because an error in a process that accelerate
started ends in its traceback.
"""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from accelerate.commands.launch import launch_command, launch_command_parser

from in2_plugin.errors import ConfigError
from in2_plugin.training.trl.arguments import ACCELERATE_CONFIG, load_datasets, parse
from in2_plugin.training.trl.sft import load_tokenizer

SCRIPT = "in2_plugin.training.trl.sft"


def launch(argv: Sequence[str]) -> None:
    """Check the arguments, then train in processes of their own.

    Raises:
        ConfigError, DatasetError, TokenizerMismatch: before anything is started.
    """
    arguments = parse(argv)
    load_datasets(arguments, load_tokenizer(arguments))
    # the script gets every argument, and passes over those of accelerate
    command = [*launch_options(arguments.launch), "--module", SCRIPT, *argv]
    launch_command(launch_command_parser().parse_args(command))


def launch_options(given: Sequence[str]) -> list[str]:
    """Options of `accelerate launch`, with TRL's `--accelerate_config` turned into accelerate's `--config_file`.

    Raises:
        ConfigError: it names neither a file nor a configuration that comes with TRL.
    """
    options = list(given)
    if ACCELERATE_CONFIG not in options:
        return options
    place = options.index(ACCELERATE_CONFIG)
    name = options[place + 1] if place + 1 < len(options) else ""
    with resources.as_file(resources.files("trl") / "accelerate_configs") as folder:
        shipped = {path.stem: path for path in folder.glob("*.yaml")}
    file = Path(name) if Path(name).is_file() else shipped.get(name)
    if file is None:
        raise ConfigError(
            f"`accelerate_config: {name}` is no file, and not one of those that come with TRL: "
            f"{', '.join(sorted(shipped))}"
        )
    return ["--config_file", str(file), *options[:place], *options[place + 2 :]]
