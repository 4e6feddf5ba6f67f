"""`in2 preflight`: what a training run would lose, need and cost, before it starts."""

import os
from pathlib import Path
from typing import Annotated

import typer

from in2_plugin.cli.options import AsJson, GpuName
from in2_plugin.cli.terminal import say


def preflight(
    axolotl_file: Annotated[Path, typer.Argument(help="The config file of `axolotl train`.")],
    gpu: GpuName = None,
    gpus: Annotated[int | None, typer.Option(min=1, help="Number of GPUs over all nodes.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows to tokenize of each dataset that is not `type: in2`.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Check an Axolotl config against its model and data. Reports lost answers, memory, steps and time; needs no GPU.

    Exit status 1 when there is an error.
    """
    # hides Axolotl's log of how it reads the file; its warnings stay
    os.environ.setdefault("AXOLOTL_LOG_LEVEL", "WARNING")
    from in2_plugin.preflight.report import show, to_json
    from in2_plugin.preflight.run import preflight as run_preflight

    report = run_preflight(axolotl_file, gpus=gpus, gpu=gpu, rows=rows)
    if as_json:
        typer.echo(to_json(report))
    else:
        show(report)
    errors = len(report.errors)
    verdict = f"{errors} error{'s' if errors > 1 else ''}" if errors else "no problems found"
    say(f"{axolotl_file}: {verdict}", err=as_json)
    if errors:
        raise typer.Exit(1)
