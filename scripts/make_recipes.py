"""Write the recipe folders that share their texts: `python scripts/make_recipes.py`, or `--check` to compare only.

Every module of `scripts/recipe_texts` that has a function `folders()` gives {folder: {file: text}}. Invariant: a file
of such a folder is what the module says, so edits belong into its table or its templates; `recipes/smoke` is written
by hand. Cost: seconds.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # as a script, and when a test loads this file by its path

import recipe_texts

RECIPES = Path(__file__).parents[1] / "recipes"
PROGRAMS = (".sh", ".sbatch")


def written() -> dict[Path, str]:
    """The text of every file, by its path under `recipes/`."""
    return {Path(folder, name): text for folder, files in _folders() for name, text in files.items()}


def _folders() -> Iterator[tuple[str, dict[str, str]]]:
    for found in pkgutil.iter_modules(recipe_texts.__path__):
        module = importlib.import_module(f"recipe_texts.{found.name}")
        if hasattr(module, "folders"):
            yield from module.folders().items()


def differences(root: Path = RECIPES) -> list[str]:
    """What is missing, other or too much in the folders that are written here, one sentence each."""
    texts = written()
    found = [
        f"{path}: differs from what scripts/make_recipes.py writes; run it, or change scripts/recipe_texts"
        for path, text in texts.items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]
    for folder in sorted({path.parent for path in texts}):
        there = {file.name for file in (root / folder).glob("*")}
        surplus = there - {path.name for path in texts if path.parent == folder}
        found += [
            f"{folder / name}: no module of scripts/recipe_texts writes it; remove it" for name in sorted(surplus)
        ]
    return found


def write(root: Path = RECIPES) -> None:
    """Write every file; scripts can be executed."""
    for path, text in written().items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(0o755 if target.suffix in PROGRAMS else 0o644)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        write()
    if wrong := differences():
        sys.exit("\n".join(wrong))
