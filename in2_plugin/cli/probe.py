"""`in2 probe`: position probes of your own text, and the judge of logged answers."""

import typer

from in2_plugin.cli.groups import CommandGroup
from in2_plugin.cli.probe_judge import judge

probe = typer.Typer(cls=CommandGroup, help="Probe models with your own text, and judge answers.", no_args_is_help=True)
probe.command()(judge)
