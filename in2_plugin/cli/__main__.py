"""Run the command line as `python -m in2_plugin.cli`, where the `in2` script is not on the PATH."""

from in2_plugin.cli.app import app

app()
