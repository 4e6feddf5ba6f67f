"""`in2 recipes list|show|copy`: the recipes that travel with the package."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from in2_plugin.errors import ConfigError
from in2_plugin.packaged import packaged_folder

recipes = typer.Typer(help="List, show and copy complete recipes.", no_args_is_help=True)


def _names() -> list[str]:
    return sorted(folder.name for folder in packaged_folder("recipes").iterdir() if (folder / "README.md").is_file())


def _folder(name: str) -> Path:
    from in2_plugin.config import nearest

    if name not in _names():
        near = nearest(name, _names())
        advice = f"did you mean `{near}`?" if near else f"there are {', '.join(_names())}"
        raise ConfigError(f"no recipe is called `{name}`; {advice}")
    return packaged_folder("recipes") / name


@recipes.command("list")
def list_recipes() -> None:
    """One line a recipe: its name and what it is for."""
    for name in _names():
        title = (_folder(name) / "README.md").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        typer.echo(f"{name:<20} {title}")


@recipes.command()
def show(name: Annotated[str, typer.Argument(help="A name from `in2 recipes list`.")]) -> None:
    """Print a recipe's README and the names of its files."""
    folder = _folder(name)
    typer.echo((folder / "README.md").read_text(encoding="utf-8"))
    typer.echo(f"Files in {folder}:")
    for file in sorted(folder.iterdir()):
        typer.echo(f"  {file.name}")


@recipes.command()
def copy(
    name: Annotated[str, typer.Argument(help="A name from `in2 recipes list`.")],
    to: Annotated[Path | None, typer.Argument(help="Folder to write; default: the recipe's name.")] = None,
) -> None:
    """Copy a recipe's files into a folder of your own; files that are there already are never overwritten."""
    source, target = _folder(name), to or Path(name)
    clashes = [file.name for file in source.iterdir() if (target / file.name).exists()]
    if clashes:
        raise ConfigError(f"{target} already has {', '.join(sorted(clashes))}; give another folder")
    shutil.copytree(source, target, dirs_exist_ok=True)
    typer.echo(f"copied {name} to {target}; next: read {target / 'README.md'}")
