"""`in2 tasks-path` and `in2 tasks install|uninstall`: make our tasks available to plain `lm_eval`."""

import typer

from in2_plugin.cli.groups import CommandGroup
from in2_plugin.cli.terminal import say

tasks = typer.Typer(cls=CommandGroup, help="Install our tasks into lm_eval, or uninstall them.", no_args_is_help=True)


def tasks_path() -> None:
    """Print the folder for `lm_eval --include_path`."""
    from in2_plugin.probing.lm_eval.install import tasks_folder

    typer.echo(tasks_folder())


@tasks.command()
def install() -> None:
    """Copy the tasks into the installed lm_eval. Plain `lm_eval` then finds them; run again to update."""
    from in2_plugin.probing.lm_eval.install import install_tasks, lm_eval_folder

    target = install_tasks(lm_eval_folder())
    say(f"installed {target}, with position and film; run `in2 tasks uninstall` before you uninstall in2-plugin")


@tasks.command()
def uninstall() -> None:
    """Remove what `in2 tasks install` copied, and nothing else."""
    from in2_plugin.probing.lm_eval.install import lm_eval_folder, uninstall_tasks

    removed = uninstall_tasks(lm_eval_folder())
    say(f"removed {removed}" if removed else "nothing to remove: the tasks are not installed")
