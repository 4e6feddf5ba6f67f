"""A recipe folder: its files by what they are for.

A recipe is one that travels with the package, by its name, or any folder with a README.md. Invariant: nothing is
written, and no file is read that is not asked for. Cost: a directory listing.
"""

from dataclasses import dataclass
from pathlib import Path

from in2_plugin.config import nearest
from in2_plugin.errors import ConfigError
from in2_plugin.io.resources import packaged_folder

SHELL = (".sh", ".sbatch")


@dataclass(frozen=True, slots=True)
class RecipeFolder:
    """Where a recipe lies."""

    path: Path

    @property
    def name(self) -> str:
        """That of the folder."""
        return self.path.resolve().name

    @property
    def title(self) -> str:
        """The first line of its README, without its mark."""
        return (self.path / "README.md").read_text(encoding="utf-8").partition("\n")[0].lstrip("# ").strip()

    @property
    def build_file(self) -> Path | None:
        """The file of `in2 build`."""
        file = self.path / "build.yml"
        return file if file.is_file() else None

    @property
    def axolotl_files(self) -> list[Path]:
        """Files of `axolotl train`, the main one first."""
        return sorted(self.path.glob("axolotl*.yml"), key=lambda file: (len(file.name), file.name))

    @property
    def trl_files(self) -> list[Path]:
        """Files of `in2 sft`."""
        return sorted(self.path.glob("sft*.yml"))

    @property
    def accelerate_files(self) -> list[Path]:
        """Files of `accelerate launch`."""
        return sorted(self.path.glob("accelerate*.yml"))

    @property
    def deepspeed_files(self) -> list[Path]:
        """DeepSpeed's settings."""
        return sorted(self.path.glob("zero*.json"))

    @property
    def scripts(self) -> list[Path]:
        """Shell scripts, Slurm's included."""
        return sorted(file for file in self.path.iterdir() if file.suffix in SHELL)

    @property
    def programs(self) -> list[Path]:
        """Python programs."""
        return sorted(self.path.glob("*.py"))


def recipe_names() -> list[str]:
    """Names of the recipes that travel with the package."""
    return sorted(folder.name for folder in packaged_folder("recipes").iterdir() if (folder / "README.md").is_file())


def named_recipe(name: str) -> RecipeFolder:
    """The recipe of the package that has this name.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    names = recipe_names()
    if name not in names:
        near = nearest(name, names)
        advice = f"did you mean `{near}`?" if near else f"there are {', '.join(names)}"
        raise ConfigError(f"no recipe is called `{name}`; {advice}")
    return RecipeFolder(packaged_folder("recipes") / name)


def find_recipe(name: str) -> RecipeFolder:
    """A folder of that path, or else the recipe of that name.

    Raises:
        ConfigError: there is neither, or the folder is no recipe.
    """
    path = Path(name)
    if name not in recipe_names() and path.is_dir():
        if not (path / "README.md").is_file():
            raise ConfigError(f"{path}: is no recipe, it has no README.md; `in2 recipes copy NAME` makes a folder")
        return RecipeFolder(path)
    return named_recipe(name)
