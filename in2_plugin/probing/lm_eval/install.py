"""Copying our lm_eval tasks, val_probe and film, into the installed lm_eval, and taking them out again.

For callers that run a bare `lm_eval` without `--include_path`. Only a folder with our marker file is ever replaced or
removed. A whole copy and no link or stub: lm_eval does not follow links, and a copy that outlives this package stays
harmless, since lm_eval imports its functions only when one of the tasks is run.
"""

import importlib.util
import shutil
from pathlib import Path

import in2_plugin
from in2_plugin.errors import ConfigError, MissingExtra
from in2_plugin.io.resources import packaged_folder

TASKS = "val_probe"
FOLDERS = (TASKS, "film")
MARKER = "INSTALLED_BY_IN2_PLUGIN"
_ADVICE = 'give lm_eval --include_path "$(in2 tasks-path)" instead'


def tasks_folder() -> Path:
    """The folder for `--include_path`."""
    return packaged_folder("lm_eval_tasks")


def lm_eval_folder() -> Path:
    """Where the installed lm_eval is; it is not imported.

    Raises:
        MissingExtra: there is none. A folder without `__init__.py`, as an incomplete uninstall leaves, is none.
    """
    found = importlib.util.find_spec("lm_eval")
    if found is None or found.origin is None:
        raise MissingExtra("running the val_probe tasks", "eval")
    return Path(found.origin).parent


def install(lm_eval: Path) -> Path:
    """Copy the tasks below `lm_eval`, replacing an older copy of ours; gives the folder of val_probe.

    Raises:
        ConfigError: something that is not ours has one of the names, or a folder cannot be written.
    """
    targets = {name: _ours_or_absent(lm_eval, name) for name in FOLDERS}
    for name, target in targets.items():
        _copy(name, target)
    return targets[TASKS]


def _copy(name: str, target: Path) -> None:
    part = target.with_name(f".{name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(tasks_folder() / name, part, ignore=shutil.ignore_patterns("__pycache__"))
        (part / MARKER).write_text(f"in2-plugin {in2_plugin.__version__}; remove with: in2 tasks uninstall\n")
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
    except OSError as problem:
        shutil.rmtree(part, ignore_errors=True)
        raise ConfigError(f"{target} cannot be written ({problem.strerror}); {_ADVICE}") from None


def uninstall(lm_eval: Path) -> Path | None:
    """Remove our copies; gives the folder of val_probe if there was one, else any other, or None.

    Raises:
        ConfigError: something that is not ours has one of the names, or a folder cannot be removed.
    """
    there = [target for name in FOLDERS if (target := _ours_or_absent(lm_eval, name)).exists()]
    for target in there:
        try:
            shutil.rmtree(target)
        except OSError as problem:
            raise ConfigError(f"{target} cannot be removed ({problem.strerror}); remove it by hand") from None
    return there[0] if there else None


def _ours_or_absent(lm_eval: Path, name: str) -> Path:
    target = lm_eval / "tasks" / name
    if target.is_symlink() or (target.exists() and not (target / MARKER).is_file()):
        raise ConfigError(f"{target} was not put there by `in2 tasks install` and is left alone; {_ADVICE}")
    return target
