"""`in2 sft`: train on IN2 examples with TRL, launched by accelerate."""

import importlib.util

import typer

from in2_plugin.errors import MissingExtra


def sft(ctx: typer.Context) -> None:
    """Train on IN2 examples with TRL's `SFTTrainer`. Takes all arguments of `trl sft`."""
    if importlib.util.find_spec("trl") is None:
        raise MissingExtra("in2 sft", "trl")
    from in2_plugin.training.trl.launch import launch

    launch(ctx.args)
