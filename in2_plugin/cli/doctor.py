"""`in2 doctor`: check every invariant of a dataset folder."""

import typer

from in2_plugin.cli.options import DatasetFolder


def doctor(folder: DatasetFolder) -> None:
    """Check every file of a dataset folder. Exit status 1 when a check fails."""
    from in2_plugin.inspection.doctor.run import examine

    examination = examine(folder)
    failed = examination.failed
    for name, checked in examination.done:
        typer.echo(f"{'FAILS' if name in failed else 'ok':<8}{name:<22}{checked}")
    for name, reason in examination.skipped:
        typer.echo(f"{'-':<8}{name:<22}skipped: {reason}")
    for finding in examination.findings:
        kind = "error" if finding.is_error else "note"
        typer.echo(f"{kind}: {finding.where}: {finding.what}; {finding.advice}")
    verdict = f"{len(failed)} failed" if failed else "no problems found"
    typer.echo(f"{folder}: {len(examination.done)} checks, {verdict}")
    if failed:
        raise typer.Exit(1)
