"""`python -m in2_plugin.cli`: the command `in2` where its script is not on the path."""

from in2_plugin.cli.app import app

app()
