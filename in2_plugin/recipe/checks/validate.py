"""Check every file of a recipe with the tool that reads it, and all files against each other.

Needs no GPU, network or data. Invariant: a file with an error does not keep the others from being checked. Cost: up to
20 s, nearly all of it imports of the trainers.
"""

from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

from in2_plugin import layout
from in2_plugin.config import BuildConfig, load_build_config
from in2_plugin.errors import ConfigError, In2Error
from in2_plugin.preflight.dataset_summary import DatasetSummary, summarize_in2, unread_summary
from in2_plugin.recipe.checks.check import FileCheck, refused
from in2_plugin.recipe.checks.consistency import check_agreement
from in2_plugin.recipe.checks.files import check_accelerate, check_deepspeed, check_program, check_script
from in2_plugin.recipe.checks.readme import check_readme
from in2_plugin.recipe.folder import RecipeFolder
from in2_plugin.recipe.overlay import README
from in2_plugin.recipe.planning.assumed_data import planned_data
from in2_plugin.recipe.training_file import TrainingFile, read_training_file


def validate(recipe: RecipeFolder, base_model: str | None = None) -> Iterator[FileCheck]:
    """Check every file; yield at least one result per file.

    Args:
        base_model: a folder to read instead of the recipe's base model.
    """
    replacement = str(Path(base_model).resolve()) if base_model and Path(base_model).is_dir() else base_model
    recipe = RecipeFolder(recipe.path.resolve())
    with chdir(recipe.path):  # the paths in a recipe are relative to its folder
        build, found = _build(recipe)
        yield from found
        for path in (*recipe.axolotl_files, *recipe.trl_files):
            yield from _training(path, recipe, build, replacement)
        yield from _each(recipe.deepspeed_files, check_deepspeed)
        yield from _each(recipe.accelerate_files, check_accelerate)
        yield from _each(recipe.scripts, check_script)
        yield from _each(recipe.programs, check_program)
        yield from _each([recipe.path / README], check_readme)


def _each(files: list[Path], check: Callable[[Path], Iterator[FileCheck]]) -> Iterator[FileCheck]:
    for file in files:
        yield from _caught(file.name, lambda file=file: check(file))  # type: ignore[misc]


def _caught(name: str, check: Callable[[], Iterator[FileCheck]]) -> Iterator[FileCheck]:
    """Yield the results of a check, and its error as one more result."""
    try:
        yield from check()
    except In2Error as error:
        yield refused(name, error)


def _build(recipe: RecipeFolder) -> tuple[BuildConfig | None, list[FileCheck]]:
    file = recipe.build_file
    if file is None:
        return None, [FileCheck("ERROR", "build.yml", "is missing; a recipe needs the build file of its data")]
    try:
        config = load_build_config(file)
    except ConfigError as error:
        message = str(error).removeprefix(f"{file}: ")
        return None, [FileCheck("ERROR", file.name, message)]
    data = planned_data(config)
    return config, [FileCheck("ok", file.name, f"asks for {data.examples:,} examples of up to {data.longest:,} tokens")]


def _training(
    path: Path, recipe: RecipeFolder, build: BuildConfig | None, replacement: str | None
) -> Iterator[FileCheck]:
    try:
        file = read_training_file(path)
    except ConfigError as error:
        yield FileCheck("ERROR", path.name, str(error).removeprefix(f"{path}: "))
        return
    if build is not None:
        yield from check_agreement(file, build, recipe.scripts)
    yield from _caught(path.name, lambda: _with_trainer(file, build, replacement))


def _with_trainer(file: TrainingFile, build: BuildConfig | None, replacement: str | None) -> Iterator[FileCheck]:
    from in2_plugin.recipe.base_model import readable_model
    from in2_plugin.recipe.checks.training import check_axolotl, check_trl

    data = _facts(file, build)
    with readable_model(file.base_model, replacement) as model:
        if model.path != file.base_model or model.tokenizer is None:
            yield FileCheck("note", file.path.name, model.source)
        check = check_axolotl if file.trainer == "axolotl" else check_trl
        yield from check(file, model, data)


def _facts(file: TrainingFile, build: BuildConfig | None) -> DatasetSummary:
    """Return the finished dataset's facts, or those that the build file promises."""
    path = file.datasets[0] if file.datasets else ""
    if path and (Path(path) / layout.MANIFEST).is_file():
        return summarize_in2({"path": path, "type": "in2"}, file.sequence_len)
    if build is None:
        return unread_summary({"path": path, "type": "in2"}, "neither the dataset nor a build file exists")
    return planned_data(build).facts(path, file.sequence_len)
