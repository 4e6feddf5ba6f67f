"""`in2 recipes list|show|copy|plan|validate`: the package's recipes, and recipe folders of the user."""

import json
from pathlib import Path
from typing import Annotated

import typer

from in2_plugin.cli.groups import CommandGroup
from in2_plugin.cli.options import AsJson
from in2_plugin.cli.terminal import say

recipes = typer.Typer(
    cls=CommandGroup, help="List, show and copy complete recipes; plan and validate them.", no_args_is_help=True
)
NameOrFolder = Annotated[str, typer.Argument(help="A name from `in2 recipes list`, or a recipe folder of your own.")]
BaseModel = Annotated[
    str | None, typer.Option(help="A model folder to read instead of the recipe's base model; weights are not needed.")
]


@recipes.command("list")
def list_recipes(as_json: AsJson = False) -> None:
    """Print one line per recipe. It has the name, GPUs and days, and what it is for."""
    from in2_plugin.recipe.folder import find_recipe, recipe_names
    from in2_plugin.recipe.planning.plan import short_plan

    found = [find_recipe(name) for name in recipe_names()]
    if as_json:
        rows = [{"name": one.name, "plan": short_plan(one) or None, "title": one.title} for one in found]
        typer.echo(json.dumps(rows, indent=2))
        return
    for recipe in found:
        say(f"{recipe.name:<16} {short_plan(recipe):<26} {recipe.title}")


@recipes.command()
def show(recipe: NameOrFolder) -> None:
    """Print a recipe's README and the names of its files."""
    from in2_plugin.recipe.folder import recipe_source
    from in2_plugin.recipe.overlay import README, compose

    source = recipe_source(recipe)
    files = compose(source)
    typer.echo(files[README].text)
    say(f"Files of {recipe} ({source}):")
    for name in sorted(files):
        say(f"  {name}")


@recipes.command()
def copy(
    recipe: NameOrFolder,
    to: Annotated[Path | None, typer.Argument(help="Folder to write; default: the recipe's name.")] = None,
) -> None:
    """Copy a recipe's files into a folder of your own. Never overwrites a file."""
    from in2_plugin.recipe.folder import copy_recipe

    target = to or Path(Path(recipe).name)
    copy_recipe(recipe, target)
    say(f"copied {recipe} to {target}; next: read {target / 'README.md'}")


@recipes.command()
def plan(
    recipe: NameOrFolder,
    gpus: Annotated[int | None, typer.Option(min=1, help="Number of GPUs; default: a table from 1 to 128.")] = None,
    gpu: Annotated[
        str | None, typer.Option(help="GPU model, for example A100-80G, H100-80G, H200, L40S or RTX-4090.")
    ] = None,
    base_model: BaseModel = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print memory per GPU, days, steps, disk and money for questions. Needs no GPU, network or data."""
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
    """Check every file with the tool that reads it. Also compares the files; needs no GPU or data.

    Exits with status 1 if there is an error.
    """
    from in2_plugin.recipe.checks.validate import validate as checks_of
    from in2_plugin.recipe.folder import find_recipe

    folder, found = find_recipe(recipe), []
    for check in checks_of(folder, base_model):
        found.append(check)
        if not as_json:
            say(f"{check.mark:<8} {check.file:<18} {check.message}")
    errors = sum(check.mark == "ERROR" for check in found)
    if as_json:
        checks = [check.as_json() for check in found]
        typer.echo(json.dumps({"recipe": folder.name, "ok": not errors, "checks": checks}, indent=2))
    verdict = f"{errors} error{'s' if errors > 1 else ''}" if errors else "no problems found"
    say(f"{folder.name}: {verdict}", err=as_json)
    if errors:
        raise typer.Exit(1)
