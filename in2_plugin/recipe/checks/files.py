"""Check the files that need no other file: DeepSpeed and accelerate configs, shell scripts, Python programs.

Each is checked with the tool that reads it; nothing is executed or written.
"""

import difflib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from in2_plugin.errors import ConfigError, one_line
from in2_plugin.probing.lm_eval.install import tasks_folder
from in2_plugin.recipe.checks.check import FileCheck, as_config_error

TASKS = (re.compile(r'--tasks[ =]"?([A-Za-z][\w,]*)'), re.compile(r"TASKS:-([\w,]+)"))
"""Where scripts name lm_eval tasks: as an option, or as the default of a variable."""
SIMILARITY = 0.85
"""Similarity from which an unknown DeepSpeed key counts as a misspelling of a known one."""


def check_deepspeed(file: Path) -> Iterator[FileCheck]:
    """Check a config with DeepSpeed's own class, and its section names: DeepSpeed ignores unknown ones."""
    try:
        settings = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"is not JSON ({error}); correct it") from None
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    try:
        from deepspeed.runtime.config import DeepSpeedConfig  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        yield FileCheck("note", file.name, 'DeepSpeed is not installed: pip install "in2-plugin[deepspeed]"')
        return
    with as_config_error("correct the file"):
        DeepSpeedConfig(_resolved(settings))
    _refuse_misspelt(settings)
    zero = settings.get("zero_optimization") or {}
    moved = [part.removeprefix("offload_") for part in ("offload_optimizer", "offload_param") if zero.get(part)]
    offload = f", {' and '.join(moved)} offloaded" if moved else ""
    yield FileCheck("ok", file.name, f"DeepSpeed accepts it: ZeRO stage {zero.get('stage', 0)}{offload}")


def _resolved(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings as after transformers has filled in `auto`; sections have defaults for it."""
    numbers = {"train_batch_size": 1, "train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 1}
    kept = {key: value for key, value in settings.items() if value != "auto"}
    sections = {key: _without_auto(value) if isinstance(value, Mapping) else value for key, value in kept.items()}
    return {**{key: one for key, one in numbers.items() if settings.get(key, "auto") == "auto"}, **sections}


def _without_auto(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if value != "auto"}


def _refuse_misspelt(settings: Mapping[str, Any]) -> None:
    from deepspeed.runtime import config, constants  # type: ignore[import-untyped]
    from deepspeed.runtime.zero import config as zero  # type: ignore[import-untyped]

    known = {value for module in (config, constants, zero) for value in vars(module).values() if type(value) is str}
    for key in settings:
        if key not in known and (near := difflib.get_close_matches(key, known, 1, SIMILARITY)):
            raise ConfigError(f"DeepSpeed ignores the unknown key `{key}`; did you mean `{near[0]}`?")


def check_accelerate(file: Path) -> Iterator[FileCheck]:
    """Check a config with accelerate's own loader."""
    try:
        from accelerate.commands.config.config_args import load_config_from_file
    except ModuleNotFoundError:
        yield FileCheck("note", file.name, 'accelerate is not installed: pip install "in2-plugin[trl]"')
        return
    with as_config_error("correct the file"):
        found = load_config_from_file(str(file))
    kind = str(getattr(found.distributed_type, "value", found.distributed_type)).lower()
    yield FileCheck("ok", file.name, f"accelerate accepts it: {kind}, {found.num_processes} processes")


def check_script(file: Path) -> Iterator[FileCheck]:
    """Check a script with `bash -n`, and the lm_eval tasks that it names."""
    bash = shutil.which("bash")
    if bash is None:
        yield FileCheck("note", file.name, "not checked: bash is not installed")
        return
    done = subprocess.run([bash, "-n", str(file)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"bash cannot parse it: {one_line(done.stderr)}; correct the script")
    tasks = named_tasks(file.read_text(encoding="utf-8"))
    unknown = sorted(_unknown(tasks - known_tasks()))
    if unknown:
        near = difflib.get_close_matches(unknown[0], known_tasks(), 1)
        advice = f"did you mean `{near[0]}`?" if near else "see `lm_eval ls tasks`"
        raise ConfigError(f"neither in2_plugin nor the installed lm_eval has a task `{unknown[0]}`; {advice}")
    found = f", the tasks {', '.join(sorted(tasks))} exist" if tasks else ""
    yield FileCheck("ok", file.name, f"bash can parse it{found}")


def named_tasks(text: str) -> set[str]:
    """Return the lm_eval tasks that a script names literally."""
    return {task for pattern in TASKS for names in pattern.findall(text) for task in names.split(",") if task}


def _unknown(tasks: set[str]) -> set[str]:
    """Return the tasks that lm_eval does not know either; the import takes seconds, so ours are excluded before."""
    if not tasks:
        return tasks
    try:
        from lm_eval.tasks import TaskManager
    except ModuleNotFoundError:
        return tasks
    return tasks - set(TaskManager().all_tasks)


def known_tasks() -> set[str]:
    """Return the names of our own tasks and groups."""
    return {file.stem for file in tasks_folder().rglob("*.yaml") if not file.name.startswith("_")}


def check_program(file: Path) -> Iterator[FileCheck]:
    """Check a program with Python's compiler."""
    with as_config_error("correct the program"):
        compile(file.read_text(encoding="utf-8"), file.name, "exec")
    yield FileCheck("ok", file.name, "Python can parse it")
