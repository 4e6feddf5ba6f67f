"""The loading functions that the YAML files of the tasks name: `load_<probe>` and `load_paper_<probe>`.

`utils.py` beside the YAML files puts them into its namespace. It is executed again for every function that lm_eval
looks up, so probes that were registered later are found, too.
"""

from collections.abc import Callable, Mapping
from typing import Any

from in2_plugin.probing.lm_eval.command_line import Invocation, read_invocation
from in2_plugin.probing.lm_eval.tasks import load
from in2_plugin.probing.probes.matrix import all_probes
from in2_plugin.probing.published.tasks import load_published

Split = dict[str, Any]
Load = Callable[[str, Mapping[str, Any], Invocation], Split]


def loaders() -> dict[str, Callable[..., Split]]:
    """Return the loading functions of all probes by name; those of the authors' data for probes that have it."""
    probes = all_probes()
    paper = {f"load_paper_{name}": _loader(load_published, name) for name, probe in probes.items() if probe.paper}
    return {f"load_{name}": _loader(load, name) for name in probes} | paper


def _loader(load_rows: Load, name: str) -> Callable[..., Split]:
    # a function and not a partial: lm_eval reads its source text
    def load_probe(**lm_eval_args: Any) -> Split:
        return load_rows(name, lm_eval_args, read_invocation())

    return load_probe
