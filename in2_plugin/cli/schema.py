"""`in2 schema`: the JSON schema of a build file, for editors."""

import json
from pathlib import Path
from typing import Annotated

import typer

from in2_plugin.cli.terminal import say


def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write. Default: stdout.")] = None,
) -> None:
    """Print the JSON schema of a build file. Editors use it to complete and explain the keys."""
    from in2_plugin.config.schema import build_schema

    text = json.dumps(build_schema(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        say(f"wrote {output}; start build.yml with `# yaml-language-server: $schema={output}`")
