"""`in2 doctor`: every invariant of a dataset folder, checked."""

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    folder: Annotated[Path, typer.Argument(help="A dataset folder: the `output` of a build file.")],
) -> None:
    """Check everything that must hold in a dataset folder. Exit status 1 when something does not."""
    from in2_plugin.inspection.doctor.run import examine

    examination = examine(folder)
    wrong = examination.wrong
    for about, looked_at in examination.done:
        typer.echo(f"{'WRONG' if about in wrong else 'ok':<8}{about:<22}{looked_at}")
    for about, why in examination.left_out:
        typer.echo(f"{'-':<8}{about:<22}left out: {why}")
    for finding in examination.findings:
        kind = "wrong" if finding.is_wrong else "note"
        typer.echo(f"{kind}: {finding.where}: {finding.what}; {finding.advice}")
    verdict = f"something wrong in {len(wrong)} of them" if wrong else "nothing wrong"
    typer.echo(f"{folder}: checks done: {len(examination.done)}, {verdict}")
    if wrong:
        raise typer.Exit(1)
