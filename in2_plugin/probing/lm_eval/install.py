"""Copy our lm_eval tasks, val_probe, position and film, into the installed lm_eval, and remove them again.

For users who run a plain `lm_eval` without `--include_path`. Only a folder with our marker file is ever replaced or
removed. The tasks are copied, not linked: lm_eval does not follow links, and a copy that outlives this package is
harmless, since lm_eval imports its functions only when it runs one of the tasks.
"""

import importlib.util
import shutil
from pathlib import Path

import in2_plugin
from in2_plugin.errors import ConfigError, MissingExtra
from in2_plugin.io.resources import packaged_folder

TASKS = "val_probe"
FOLDERS = (TASKS, "position", "film")
MARKER = "INSTALLED_BY_IN2_PLUGIN"
_ADVICE = 'run lm_eval with --include_path "$(in2 tasks-path)" instead'


def tasks_folder() -> Path:
    """Return the folder for `--include_path`."""
    return packaged_folder("lm_eval_tasks")


def lm_eval_folder() -> Path:
    """Return the folder of the installed lm_eval, without importing it.

    Raises:
        MissingExtra: lm_eval is not installed; a folder without `__init__.py`, left by an uninstall, does not count.
    """
    found = importlib.util.find_spec("lm_eval")
    if found is None or found.origin is None:
        raise MissingExtra("running the val_probe tasks", "eval")
    return Path(found.origin).parent


def install_tasks(lm_eval: Path) -> Path:
    """Copy the tasks below `lm_eval`, replacing our older copy, and return the folder of val_probe.

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


def uninstall_tasks(lm_eval: Path) -> Path | None:
    """Remove our copies and return the folder of val_probe if there was one, else another removed one, or None.

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
        raise ConfigError(f"{target} was not written by `in2 tasks install` and is not touched; {_ADVICE}")
    return target
