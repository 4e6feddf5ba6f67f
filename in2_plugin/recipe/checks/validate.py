"""Every file of a recipe, each with the tool that reads it, and whether they fit each other.

Needs neither GPU nor network nor data. Invariant: a file that is refused stops nothing: all others are still looked
at. Cost: up to 20 s, nearly all of it imports of the trainers.
"""

from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

from in2_plugin.config import BuildConfig, load_build_config
from in2_plugin.errors import ConfigError, In2Error
from in2_plugin.preflight.dataset_summary import DatasetSummary, summarize_in2, unread_summary
from in2_plugin.recipe.checks.check import Check, refused
from in2_plugin.recipe.checks.consistency import check_agreement
from in2_plugin.recipe.checks.files import check_accelerate, check_deepspeed, check_program, check_script
from in2_plugin.recipe.folder import RecipeFolder
from in2_plugin.recipe.planning.assumed_data import planned_data
from in2_plugin.recipe.training_file import TrainingFile, read_training_file


def validate(recipe: RecipeFolder, base_model: str | None = None) -> Iterator[Check]:
    """Look at every file; one check or more each.

    Args:
        base_model: a folder to read in place of the recipe's base model.
    """
    instead = str(Path(base_model).resolve()) if base_model and Path(base_model).is_dir() else base_model
    recipe = RecipeFolder(recipe.path.resolve())
    with chdir(recipe.path):  # the paths in a recipe are relative to its folder
        build, found = _build(recipe)
        yield from found
        for path in (*recipe.axolotl_files, *recipe.trl_files):
            yield from _training(path, recipe, build, instead)
        yield from _each(recipe.deepspeed_files, check_deepspeed)
        yield from _each(recipe.accelerate_files, check_accelerate)
        yield from _each(recipe.scripts, check_script)
        yield from _each(recipe.programs, check_program)


def _each(files: list[Path], look: Callable[[Path], Iterator[Check]]) -> Iterator[Check]:
    for file in files:
        yield from _caught(file.name, lambda file=file: look(file))  # type: ignore[misc]


def _caught(name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """What a look says, and its refusal as one more line."""
    try:
        yield from look()
    except In2Error as error:
        yield refused(name, error)


def _build(recipe: RecipeFolder) -> tuple[BuildConfig | None, list[Check]]:
    file = recipe.build_file
    if file is None:
        return None, [Check("ERROR", "build.yml", "is not there; a recipe says how its data is built")]
    try:
        config = load_build_config(file)
    except ConfigError as error:
        said = str(error).removeprefix(f"{file}: ")
        return None, [Check("ERROR", file.name, said)]
    data = planned_data(config)
    return config, [Check("ok", file.name, f"asks for {data.examples:,} examples of up to {data.longest:,} tokens")]


def _training(path: Path, recipe: RecipeFolder, build: BuildConfig | None, instead: str | None) -> Iterator[Check]:
    try:
        file = read_training_file(path)
    except ConfigError as error:
        yield Check("ERROR", path.name, str(error).removeprefix(f"{path}: "))
        return
    if build is not None:
        yield from check_agreement(file, build, recipe.scripts)
    yield from _caught(path.name, lambda: _with_trainer(file, build, instead))


def _with_trainer(file: TrainingFile, build: BuildConfig | None, instead: str | None) -> Iterator[Check]:
    from in2_plugin.recipe.base_model import readable_model
    from in2_plugin.recipe.checks.training import check_axolotl, check_trl

    data = _facts(file, build)
    with readable_model(file.base_model, instead) as model:
        if model.place != file.base_model or model.tokenizer is None:
            yield Check("note", file.path.name, model.said)
        look = check_axolotl if file.trainer == "axolotl" else check_trl
        yield from look(file, model, data)


def _facts(file: TrainingFile, build: BuildConfig | None) -> DatasetSummary:
    """The dataset itself where it is finished, else what the build file promises."""
    path = file.datasets[0] if file.datasets else ""
    if path and (Path(path) / "manifest.json").is_file():
        return summarize_in2({"path": path, "type": "in2"}, file.sequence_len)
    if build is None:
        return unread_summary({"path": path, "type": "in2"}, "there is neither the dataset nor a build file")
    return planned_data(build).facts(path, file.sequence_len)
