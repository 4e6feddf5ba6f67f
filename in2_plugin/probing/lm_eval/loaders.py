"""The loading functions that the YAML files of the tasks name: `load_<probe>` and `load_paper_<probe>`.

lm_eval gives all of `--metadata` to every task, so a task gets what is left without the options that only other tasks
of the run have; an option that no task of the run has is still an error.

`utils.py` beside the YAML files puts them into its namespace. It is executed again for every function that lm_eval
looks up, so probes that were registered later are found, too.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

from in2_plugin.probing.lm_eval.command_line import Invocation, read_invocation
from in2_plugin.probing.lm_eval.position_tasks import load_position
from in2_plugin.probing.lm_eval.tasks import load
from in2_plugin.probing.position.probe import CONTROLS, Control
from in2_plugin.probing.probes.matrix import all_probes
from in2_plugin.probing.probes.options import ProbeOptions
from in2_plugin.probing.probes.registry import POSITION_PROBES
from in2_plugin.probing.published.tasks import load_published

Split = dict[str, Any]
VAL = "val_probe"
"""Start of the names of all VAL tasks."""


class Load(Protocol):
    """Return the rows of one probe for lm_eval."""

    def __call__(self, name: str, /, *, lm_eval_args: Mapping[str, Any], invocation: Invocation) -> Split: ...


def loaders() -> dict[str, Callable[..., Split]]:
    """Return the loading functions of all probes by name; those of the authors' data for probes that have it."""
    probes = all_probes()
    paper = {f"load_paper_{name}": _loader(load_published, name, VAL) for name, probe in probes.items() if probe.paper}
    return {f"load_{name}": _loader(load, name, VAL) for name in probes} | paper


def position_loaders() -> dict[str, Callable[..., Split]]:
    """Return the loading functions of the tasks of all position probes by name, without importing a probe."""
    return {
        position_loader(name, control): _loader(partial(load_position, control=control), name, name)
        for name in POSITION_PROBES
        for control in CONTROLS
    }


def position_loader(name: str, control: Control) -> str:
    """Return the name of the loading function of one task of a position probe."""
    return f"load_{name}_{control}" if control else f"load_{name}"


def _loader(load_rows: Load, name: str, task: str) -> Callable[..., Split]:
    # a function and not a partial: lm_eval reads its source text
    def load_probe(**lm_eval_args: Any) -> Split:
        invocation = read_invocation()
        return load_rows(name, lm_eval_args=own_arguments(task, lm_eval_args, invocation.tasks), invocation=invocation)

    return load_probe


def own_arguments(task: str, lm_eval_args: Mapping[str, Any], tasks: Iterable[str]) -> dict[str, Any]:
    """Return lm_eval's arguments of one task without the options that only others of `tasks` have."""
    foreign = frozenset[str]().union(*map(_options, tasks)) - _options(task)
    return {key: value for key, value in lm_eval_args.items() if key not in foreign}


def _options(task: str) -> frozenset[str]:
    """Return the options of a task of ours, by its name; of another package's task, none."""
    names = [name for name in POSITION_PROBES if f"{task}_".startswith(f"{name}_")]
    if names:
        return frozenset(POSITION_PROBES[max(names, key=len)].options.model_fields)
    return frozenset(ProbeOptions.model_fields) if task.startswith(VAL) else frozenset()
