"""`in2 push`: a dataset or an export onto the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer


def push(
    folder: Annotated[Path, typer.Argument(help="A dataset folder, or a folder that `in2 export` wrote.")],
    repository: Annotated[str, typer.Argument(help="Name of the dataset on the hub, as user/name.")],
    private: Annotated[bool, typer.Option("--private", help="Make the dataset private when it is new.")] = False,
    revision: Annotated[
        str | None, typer.Option(help="Branch to push to, made when it is not there; `main` when absent.")
    ] = None,
) -> None:
    """Upload a dataset or an export. Who you are comes from `hf auth login` or HF_TOKEN."""
    from in2_plugin.sharing.push import push as pushed

    typer.echo(f"{folder}: is at {pushed(folder, repository, private=private, revision=revision)}")
