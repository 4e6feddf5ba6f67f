"""Find recipes, and list the files of a recipe folder by their purpose.

A recipe is one of the package, by name, or any folder with a README.md. A folder with a recipe.yml
(in2_plugin/recipe/overlay.py) is incomplete by itself: `find_recipe` writes the complete recipe to a temporary folder,
which is deleted at exit. Cost: a directory listing; for an overlay a few milliseconds per changed key.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from in2_plugin.config import nearest
from in2_plugin.errors import ConfigError
from in2_plugin.io.resources import packaged_folder
from in2_plugin.recipe.overlay import README, SETTINGS, compose, write

SHELL = (".sh", ".sbatch")


@dataclass(frozen=True, slots=True)
class RecipeFolder:
    """The folder of a complete recipe."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def title(self) -> str:
        """The first line of its README, without the heading mark."""
        return (self.path / README).read_text(encoding="utf-8").partition("\n")[0].lstrip("# ").strip()

    @property
    def build_file(self) -> Path | None:
        """The build file, if there is one."""
        file = self.path / "build.yml"
        return file if file.is_file() else None

    @property
    def axolotl_files(self) -> list[Path]:
        """Files for `axolotl train`, the main one first."""
        return sorted(self.path.glob("axolotl*.yml"), key=lambda file: (len(file.name), file.name))

    @property
    def trl_files(self) -> list[Path]:
        """Files for `in2 sft`."""
        return sorted(self.path.glob("sft*.yml"))

    @property
    def accelerate_files(self) -> list[Path]:
        """Files for `accelerate launch`."""
        return sorted(self.path.glob("accelerate*.yml"))

    @property
    def deepspeed_files(self) -> list[Path]:
        """DeepSpeed configs."""
        return sorted(self.path.glob("zero*.json"))

    @property
    def scripts(self) -> list[Path]:
        """Shell scripts and Slurm batch files."""
        return sorted(file for file in self.path.iterdir() if file.suffix in SHELL)

    @property
    def programs(self) -> list[Path]:
        """Python programs."""
        return sorted(self.path.glob("*.py"))


def recipe_names() -> list[str]:
    """Return the names of the package's recipes."""
    return sorted(folder.name for folder in packaged_folder("recipes").iterdir() if (folder / README).is_file())


def recipe_source(name: str) -> Path:
    """Return the folder of a recipe as it is stored, by its name or path.

    Raises:
        ConfigError: there is no such recipe or folder (the message names the nearest recipe), or the folder has no
            README.md.
    """
    names, path = recipe_names(), Path(name)
    if name in names:
        return packaged_folder("recipes") / name
    if path.is_dir():
        if not (path / README).is_file():
            raise ConfigError(f"{path}: not a recipe, it has no README.md; `in2 recipes copy NAME` creates a folder")
        return path
    near = nearest(name, names)
    advice = f"did you mean `{near}`?" if near else f"recipes are {', '.join(names)}"
    raise ConfigError(f"no recipe is called `{name}`; {advice}")


def find_recipe(name: str) -> RecipeFolder:
    """Return the complete recipe of a name or path.

    Raises:
        ConfigError: there is no such recipe, or its recipe.yml is not valid.
    """
    source = recipe_source(name)
    if not (source / SETTINGS).is_file():
        return RecipeFolder(source)
    target = Path(_temporary_folder().name, *source.resolve().parts[1:])
    write(compose(source), target)
    return RecipeFolder(target)


def copy_recipe(name: str, target: Path) -> None:
    """Write the complete recipe to a folder.

    Raises:
        ConfigError: there is no such recipe, or the folder already has a file of that name; nothing is written.
    """
    files = compose(recipe_source(name))
    clashes = sorted(file for file in files if (target / file).exists())
    if clashes:
        raise ConfigError(f"{target} already has {', '.join(clashes)}; give another folder")
    write(files, target)


@cache
def _temporary_folder() -> "TemporaryDirectory[str]":
    return TemporaryDirectory(prefix="in2-recipes-")
