"""Hold the result of one check of a recipe's file, and turn errors of other tools into results."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from in2_plugin.errors import ConfigError, one_line

Mark = Literal["ok", "note", "warning", "ERROR"]
"""`ERROR`: the file is not usable as it is. `note`: something could not be checked here."""


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One line of `in2 recipes validate`."""

    mark: Mark
    file: str
    message: str

    def as_json(self) -> dict[str, str]:
        """Return the fields by name."""
        return {"mark": self.mark, "file": self.file, "said": self.message}


def refused(file: str, error: Exception) -> FileCheck:
    """Return an error of the tool that reads the file as one line, without the file's name."""
    message = one_line(error)
    return FileCheck("ERROR", file, message.removeprefix(f"{file}: "))


@contextmanager
def as_config_error(remedy: str) -> Iterator[None]:
    """Turn any exception of a tool into one sentence.

    Raises:
        ConfigError: with the tool's message and the remedy.
    """
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # each tool raises its own error classes
        message = one_line(error).rstrip(".")
        raise ConfigError(f"{message}; {remedy}") from error
