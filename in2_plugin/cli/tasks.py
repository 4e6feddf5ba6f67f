"""`in2 tasks-path` and `in2 tasks install|uninstall`: how a bare `lm_eval` finds the val_probe tasks."""

import typer

from in2_plugin.probing.lm_eval import install as installing

tasks = typer.Typer(help="Put the val_probe tasks into the installed lm_eval, or take them out.", no_args_is_help=True)


def tasks_path() -> None:
    """Print the folder to give to `lm_eval --include_path`."""
    typer.echo(installing.tasks_folder())


@tasks.command()
def install() -> None:
    """Copy val_probe and film into the installed lm_eval, so that a bare `lm_eval` finds them; again to refresh."""
    target = installing.install(installing.lm_eval_folder())
    typer.echo(f"installed {target} and film beside it; `in2 tasks uninstall` before you uninstall in2-plugin")


@tasks.command()
def uninstall() -> None:
    """Remove what `install` copied; nothing else is touched."""
    removed = installing.uninstall(installing.lm_eval_folder())
    typer.echo(f"removed {removed}" if removed else "nothing to remove: the tasks are not installed")
