"""lm_eval's own command line with our tasks and model backends found: `in2 lm-eval`.

Nothing of lm_eval is patched: its parser runs as it is, our backends are added to its registry, and our folder goes
before the user's own in `include_path`.
Works with lm_eval 0.4.11 to 0.4.13, which keep the parser in `lm_eval._cli`.
"""

import importlib
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from in2_plugin.errors import ProbeError
from in2_plugin.probing.backends.registry import register
from in2_plugin.probing.lm_eval.install import lm_eval_folder, tasks_folder


def run_lm_eval(arguments: Sequence[str]) -> None:
    """Run lm_eval with `arguments`, as its own command would.

    Raises:
        MissingExtra: lm_eval is not installed.
        ProbeError: this lm_eval has no parser where 0.4.11 to 0.4.13 have it.
    """
    command_line, setup_logging = _command_line()
    setup_logging()
    register()
    # lm_eval reads sys.argv itself, and inserts `run` into it
    sys.argv = ["lm-eval", *arguments]
    cli = command_line()
    parsed = cli.parse_args()
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
            f"this version of lm_eval has no command line that `in2 lm-eval` knows ({problem}); "
            'run lm_eval --include_path "$(in2 tasks-path)"'
        ) from None


def _users_folders(parsed: Namespace) -> list[str]:
    """The user's own `include_path`: of the command line, else of the `--config` file, which it would override."""
    given: object = parsed.include_path
    if given is None and getattr(parsed, "config", None) and Path(parsed.config).is_file():
        import yaml

        content = yaml.safe_load(Path(parsed.config).read_text(encoding="utf-8"))
        given = content.get("include_path") if isinstance(content, dict) else None
    if isinstance(given, str):
        return [given]
    return [str(path) for path in given] if isinstance(given, list) else []
