"""`in2 push`: upload a dataset or an export to the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated

import typer

from in2_plugin.cli.terminal import say


def push(
    folder: Annotated[Path, typer.Argument(help="A dataset folder, or a folder that `in2 export` wrote.")],
    repository: Annotated[str, typer.Argument(help="Dataset repository on the Hub, as user/name.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    revision: Annotated[str | None, typer.Option(help="Branch to push to, created if needed. Default: `main`.")] = None,
) -> None:
    """Upload a dataset or an export. Log in with `hf auth login`, or set HF_TOKEN."""
    from in2_plugin.sharing.push import push as push_folder

    say(f"{folder}: uploaded to {push_folder(folder, repository, private=private, revision=revision)}")
