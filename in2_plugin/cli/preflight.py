"""`in2 preflight`: what an Axolotl file would lose, need and cost, before it runs."""

import os
from pathlib import Path
from typing import Annotated

import typer


def preflight(
    axolotl_file: Annotated[Path, typer.Argument(help="The file that `axolotl train` gets.")],
    gpu: Annotated[
        str | None, typer.Option(help="Kind of GPU, for example A100-80G, H100-80G, H200, L40S or RTX-4090.")
    ] = None,
    gpus: Annotated[int | None, typer.Option(min=1, help="How many GPUs, over all nodes.")] = None,
    rows: Annotated[
        int, typer.Option(min=1, help="Rows to tokenise of each dataset that is not of `type: in2`.")
    ] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check an Axolotl file against its model and data: what is lost, memory, steps and time. Needs no GPU.

    Exit status 1 when there is an error.
    """
    # Axolotl's log of how it reads a file; what it warns of stays
    os.environ.setdefault("AXOLOTL_LOG_LEVEL", "WARNING")
    from in2_plugin.preflight.report import show, to_json
    from in2_plugin.preflight.run import preflight as look

    report = look(axolotl_file, gpus=gpus, gpu=gpu, rows=rows)
    if as_json:
        typer.echo(to_json(report))
    else:
        show(report)
    errors = len(report.errors)
    verdict = f"{errors} error{'s' if errors > 1 else ''}" if errors else "nothing stands in the way"
    typer.echo(f"{axolotl_file}: {verdict}", err=as_json)
    if errors:
        raise typer.Exit(1)
