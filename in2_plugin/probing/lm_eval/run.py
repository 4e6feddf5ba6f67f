"""Run lm_eval's own command line with our tasks and model backends: `in2 lm-eval`.

Nothing in lm_eval is patched: its parser runs unchanged, our backends are added to its registry, and our folder comes
before the user's in `include_path`. Works with lm_eval 0.4.11 to 0.4.13, which have the parser in `lm_eval._cli`.
"""

import importlib
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from in2_plugin.errors import ProbeError
from in2_plugin.probing.backends.registry import register_backends
from in2_plugin.probing.lm_eval.command_line import read_config, read_invocation
from in2_plugin.probing.lm_eval.install import lm_eval_folder, tasks_folder


def run_lm_eval(arguments: Sequence[str]) -> None:
    """Run lm_eval with `arguments`, as its own command would.

    Raises:
        MissingExtra: lm_eval is not installed.
        ConfigError: a chat backend is used without a chat template.
        ProbeError: this version of lm_eval has no parser in `lm_eval._cli`.
    """
    command_line, setup_logging = _command_line()
    setup_logging()
    register_backends()
    # lm_eval reads sys.argv itself, and inserts `run` into it
    sys.argv = ["lm-eval", *arguments]
    cli = command_line()
    parsed = cli.parse_args()
    read_invocation(arguments).refuse_messages_without_template()
    if hasattr(parsed, "include_path"):
        parsed.include_path = [str(tasks_folder()), *_users_folders(parsed)]
    cli.execute(parsed)


def _command_line() -> tuple[Any, Any]:
    lm_eval_folder()
    try:
        return importlib.import_module("lm_eval._cli").HarnessCLI, importlib.import_module(
            "lm_eval.utils"
        ).setup_logging
    except (ImportError, AttributeError) as problem:
        raise ProbeError(
            f"`in2 lm-eval` does not support the command line of this version of lm_eval ({problem}); "
            'run lm_eval --include_path "$(in2 tasks-path)"'
        ) from None


def _users_folders(parsed: Namespace) -> list[str]:
    """Return the user's own `include_path`, of the command line or else of the `--config` file."""
    given: object = parsed.include_path
    if given is None:
        given = read_config(getattr(parsed, "config", None)).get("include_path")
    if isinstance(given, str):
        return [given]
    return [str(path) for path in given] if isinstance(given, list) else []
