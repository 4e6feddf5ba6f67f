"""Launch `in2 sft` through accelerate, as `trl sft` does.

Data and settings are checked here first, so that an error is one sentence; an error in a process that accelerate
starts ends in accelerate's traceback.
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
    """Check the arguments, then train in new processes.

    Raises:
        ConfigError, DatasetError, TokenizerMismatch: before any process starts.
    """
    arguments = parse(argv)
    load_datasets(arguments, load_tokenizer(arguments))
    # the script receives every argument and ignores those for accelerate
    command = [*launch_options(arguments.launch), "--module", SCRIPT, *argv]
    launch_command(launch_command_parser().parse_args(command))


def launch_options(given: Sequence[str]) -> list[str]:
    """Return options for `accelerate launch`, with TRL's `--accelerate_config` as accelerate's `--config_file`.

    Raises:
        ConfigError: it names neither a file nor a config that TRL ships.
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
            f"`accelerate_config: {name}` is neither a file nor a config that TRL ships; choose one of "
            f"{', '.join(sorted(shipped))}"
        )
    return ["--config_file", str(file), *options[:place], *options[place + 2 :]]
