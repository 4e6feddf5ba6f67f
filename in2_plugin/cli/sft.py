"""`in2 sft`: TRL's fine-tuning on IN2 examples, launched by accelerate."""

import importlib.util

import typer

from in2_plugin.errors import MissingExtra


def sft(ctx: typer.Context) -> None:
    """Train with TRL's `SFTTrainer` on IN2 examples; takes every argument of `trl sft`."""
    if importlib.util.find_spec("trl") is None:
        raise MissingExtra("in2 sft", "trl")
    from in2_plugin.training.trl.launch import launch

    launch(ctx.args)
