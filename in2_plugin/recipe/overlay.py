"""Compose the files of a recipe folder that has a recipe.yml: shared files, and changes to another recipe.

recipe.yml itself is not copied. Its keys: `shared` (files of recipes/_shared), `base` (a recipe, by name or by a path
from this folder), `without` (files of the base to leave out), `change` and `add` (keys by file). A file in the folder
replaces the base's file of the same name. An overlay's README replaces the title, the introduction and the sections
that it has; it inherits all other sections. Invariant: changing a key that the base lacks is an error.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from in2_plugin.config import nearest
from in2_plugin.errors import ConfigError
from in2_plugin.io.resources import packaged_folder
from in2_plugin.recipe.yaml_edit import Edit, add_key, change_key, read_edits

SETTINGS = "recipe.yml"
README = "README.md"
BUILD_FILE, SCHEMA = "build.yml", "build.schema.json"
KEYS = ("shared", "base", "without", "change", "add")


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """One file of a complete recipe."""

    content: bytes
    mode: int

    @property
    def text(self) -> str:
        """The content of a text file."""
        return self.content.decode("utf-8")

    def with_text(self, text: str) -> "RecipeFile":
        """Return the same file with another text."""
        return RecipeFile(text.encode("utf-8"), self.mode)


def compose(folder: Path) -> dict[str, RecipeFile]:
    """Return the files of a complete recipe by name. A recipe with a build file gets its JSON schema, for editors.

    Raises:
        ConfigError: recipe.yml is not valid, or an edit does not fit the base's file.
    """
    own = {file.name: _read(file) for file in sorted(folder.iterdir()) if file.is_file() and file.name != SETTINGS}
    settings = folder / SETTINGS
    if BUILD_FILE in own and SCHEMA not in own:
        own[SCHEMA] = _shared_file(SCHEMA, settings)
    if not settings.is_file():
        return own
    text = settings.read_text(encoding="utf-8")
    values = _parse(text, settings)
    files = {name: _shared_file(name, settings) for name in values["shared"]}
    if values["base"]:
        inherited = _base_files(folder, values["base"], settings)
        for name in values["without"]:
            if inherited.pop(name, None) is None:
                raise ConfigError(f"{settings}: `without: {name}` is not a file of {values['base']}; correct the name")
        files = {**inherited, **files}
        if README in own:
            name = Path(values["base"]).name
            own[README] = own[README].with_text(_merge_readme(own[README].text, files[README].text, name, folder))
    files |= own
    for verb, edit_text in (("change", change_key), ("add", add_key)):
        _edit(files, verb, edit_text, text, settings)
    return files


def write(files: Mapping[str, RecipeFile], target: Path) -> None:
    """Write a complete recipe to a folder; scripts stay executable."""
    target.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        (target / name).write_bytes(file.content)
        (target / name).chmod(file.mode)


def _read(file: Path) -> RecipeFile:
    return RecipeFile(file.read_bytes(), 0o755 if file.stat().st_mode & 0o100 else 0o644)


def _shared_file(name: str, settings: Path) -> RecipeFile:
    file = packaged_folder("recipes") / "_shared" / name
    if not file.is_file():
        there = ", ".join(sorted(one.name for one in file.parent.iterdir()))
        raise ConfigError(f"{settings}: `shared: {name}` is not a shared file; there are {there}")
    return _read(file)


def _base_files(folder: Path, base: str, settings: Path) -> dict[str, RecipeFile]:
    for place in (folder / base, packaged_folder("recipes") / base):
        if (place / README).is_file() and place.resolve() != folder.resolve():
            return compose(place)
    raise ConfigError(f"{settings}: `base: {base}` is neither a recipe's name nor a recipe folder; correct it")


def _parse(text: str, settings: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{settings}: is not YAML: {' '.join(str(error).split())}; correct it") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{settings}: must be a mapping with the keys {', '.join(KEYS)}")
    for key in values:
        if key not in KEYS:
            near = nearest(str(key), KEYS)
            raise ConfigError(
                f"{settings}: unknown key `{key}`; " + (f"did you mean `{near}`?" if near else "remove it")
            )
    return {"base": None, "shared": [], "without": [], **values}


def _edit(
    files: dict[str, RecipeFile], verb: str, edit_text: Callable[[str, Edit], str], text: str, settings: Path
) -> None:
    """Apply the edits under `change` or `add` to the files, in place."""
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    by_file: list[Any] = next((value.value for key, value in root.value if key.value == verb), [])
    for name, edits in ((key.value, value) for key, value in by_file):
        if name not in files:
            raise ConfigError(f"{settings}: `{verb}: {name}` is not a file of this recipe; correct the name")
        for edit in read_edits(text, edits, str(settings)):
            try:
                files[name] = files[name].with_text(edit_text(files[name].text, edit))
            except ConfigError as error:
                raise ConfigError(f"{settings}: `{verb}: {name}`: {error}") from None


def _merge_readme(own: str, base: str, base_name: str, folder: Path) -> str:
    """Return the overlay's README with the base's other sections, which speak of the overlay's name."""
    mine, theirs = _sections(own), _sections(base)
    name = re.compile(rf"(?<![\w/-]){re.escape(base_name)}(?![\w-])")
    inherited = {title: name.sub(folder.resolve().name, text) for title, text in theirs.items()}
    merged = {"": mine[""], **{title: mine.get(title, text) for title, text in inherited.items() if title}, **mine}
    return "\n".join(text.rstrip("\n") + "\n" for text in merged.values())


def _sections(text: str) -> dict[str, str]:
    """Return the parts of a README by their `## ` heading; the part before the first has the empty heading."""
    parts = re.split(r"(?m)^(?=## )", text)
    return {part.partition("\n")[0] if part.startswith("## ") else "": part for part in parts}
