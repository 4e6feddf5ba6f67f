"""`in2 recipes list|show|copy|plan|validate`: the recipes that travel with the package, and folders of one's own."""

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from in2_plugin.errors import ConfigError

recipes = typer.Typer(help="List, show and copy complete recipes; plan and check them.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A name from `in2 recipes list`.")]
NameOrFolder = Annotated[str, typer.Argument(help="A name from `in2 recipes list`, or a recipe folder of your own.")]
BaseModel = Annotated[
    str | None, typer.Option(help="A model folder to read in place of the recipe's base model; weights are not needed.")
]


@recipes.command("list")
def list_recipes() -> None:
    """One line a recipe: its name, the GPUs and days that it takes, and what it is for."""
    from in2_plugin.recipe.folder import named_recipe, recipe_names
    from in2_plugin.recipe.planning.plan import short_plan

    for name in recipe_names():
        recipe = named_recipe(name)
        typer.echo(f"{name:<16} {short_plan(recipe):<26} {recipe.title}")


@recipes.command()
def show(name: Name) -> None:
    """Print a recipe's README and the names of its files."""
    from in2_plugin.recipe.folder import named_recipe

    folder = named_recipe(name).path
    typer.echo((folder / "README.md").read_text(encoding="utf-8"))
    typer.echo(f"Files in {folder}:")
    for file in sorted(folder.iterdir()):
        typer.echo(f"  {file.name}")


@recipes.command()
def copy(
    name: Name,
    to: Annotated[Path | None, typer.Argument(help="Folder to write; default: the recipe's name.")] = None,
) -> None:
    """Copy a recipe's files into a folder of your own; files that are there already are never overwritten."""
    from in2_plugin.recipe.folder import named_recipe

    source, target = named_recipe(name).path, to or Path(name)
    clashes = [file.name for file in source.iterdir() if (target / file.name).exists()]
    if clashes:
        raise ConfigError(f"{target} already has {', '.join(sorted(clashes))}; give another folder")
    shutil.copytree(source, target, dirs_exist_ok=True)
    typer.echo(f"copied {name} to {target}; next: read {target / 'README.md'}")


@recipes.command()
def plan(
    recipe: NameOrFolder,
    gpus: Annotated[int | None, typer.Option(min=1, help="How many GPUs; without it a table over 1 to 128.")] = None,
    gpu: Annotated[
        str | None, typer.Option(help="Kind of GPU, for example A100-80G, H100-80G, H200, L40S or RTX-4090.")
    ] = None,
    base_model: BaseModel = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Memory a GPU, days, steps, disk and money for questions. Needs neither GPU nor network nor data."""
    from in2_plugin.recipe.folder import find_recipe
    from in2_plugin.recipe.planning.plan import plan_recipe
    from in2_plugin.recipe.planning.text import as_json as figures
    from in2_plugin.recipe.planning.text import plan_lines

    found = plan_recipe(find_recipe(recipe), gpus=gpus, gpu=gpu, base_model=base_model)
    typer.echo(json.dumps(figures(found), indent=2) if as_json else "\n".join(plan_lines(found)))


@recipes.command()
def validate(
    recipe: NameOrFolder,
    base_model: BaseModel = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check every file with the tool that reads it, and whether they fit each other. Needs neither GPU nor data.

    Exit status 1 when there is an error.
    """
    from in2_plugin.recipe.checks.validate import validate as look
    from in2_plugin.recipe.folder import find_recipe

    folder, found = find_recipe(recipe), []
    for check in look(folder, base_model):
        found.append(check)
        if not as_json:
            typer.echo(f"{check.mark:<8} {check.file:<18} {check.said}")
    errors = sum(check.mark == "ERROR" for check in found)
    if as_json:
        checks = [check.as_json() for check in found]
        typer.echo(json.dumps({"recipe": folder.name, "ok": not errors, "checks": checks}, indent=2))
    verdict = f"{errors} error{'s' if errors > 1 else ''}" if errors else "nothing stands in the way"
    typer.echo(f"{folder.name}: {verdict}", err=as_json)
    if errors:
        raise typer.Exit(1)
