"""`in2 doctor`: check every invariant of a dataset folder, or the versions of this installation."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from in2_plugin.cli.options import AsJson
from in2_plugin.cli.terminal import say


def doctor(
    folder: Annotated[Path | None, typer.Argument(help="A dataset folder: the `output` of a build file.")] = None,
    environment: Annotated[
        bool, typer.Option("--environment", help="Check the versions of Axolotl, TRL, lm_eval and others instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check all files of a dataset folder, or installed versions. Exit status 1 when a check fails."""
    if (folder is None) != environment:
        raise typer.BadParameter("give either a dataset folder or `--environment`")
    if folder is None:
        _examine_environment(as_json)
    else:
        _examine(folder, as_json)


def _examine(folder: Path, as_json: bool) -> None:
    from in2_plugin.inspection.doctor.run import examine

    examination = examine(folder)
    failed = examination.failed
    if as_json:
        checks = [{"check": name, "ok": name not in failed, "checked": checked} for name, checked in examination.done]
        findings = [asdict(finding) for finding in examination.findings]
        skipped = dict(examination.skipped)
        found = {"ok": not failed, "verdict": examination.verdict, "checks": checks, "skipped": skipped}
        typer.echo(json.dumps({**found, "findings": findings, "missing": examination.missing}, indent=2))
        if failed:
            raise typer.Exit(1)
        return
    for name, checked in examination.done:
        say(f"{'FAILS' if name in failed else 'ok':<8}{name:<22}{checked}")
    for name, reason in examination.skipped:
        say(f"{'-':<8}{name:<22}skipped: {reason}")
    for finding in examination.findings:
        kind = "error" if finding.is_error else "note"
        say(f"{kind}: {finding.where}: {finding.what}; {finding.advice}")
    say(f"{folder}: {len(examination.done)} checks, {examination.verdict}")
    if failed:
        raise typer.Exit(1)


def _examine_environment(as_json: bool) -> None:
    from in2_plugin.inspection.environment.run import examine_environment

    found = examine_environment()
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        say(f"{'in2-plugin':<14}{found.version}")
        for each in found.packages:
            others = f"; tested with {', '.join(each.tested)}" if each.verdict == "not tested" and each.tested else ""
            say(f"{each.name:<14}{each.installed or '-':<14}{each.verdict}{others}")
        for kind, sentences in (("error", found.errors), ("note", found.notes)):
            for sentence in sentences:
                say(f"{kind}: {sentence}")
        together = f"are tested together ({found.tested_set})" if found.tested_set else "are not tested together"
        unmet = len(found.errors)
        verdict = "all requirements are met" if not unmet else f"requirements that are not met: {unmet}"
        say(f"these versions {together}; {verdict}")
    if found.errors:
        raise typer.Exit(1)
