"""What a look at one file of a recipe found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from in2_plugin.errors import ConfigError, one_line

Mark = Literal["ok", "note", "warning", "ERROR"]
"""`ERROR`: the file is not usable as it is. `note`: something could not be looked at here."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `in2 recipes validate`."""

    mark: Mark
    file: str
    said: str

    def as_json(self) -> dict[str, str]:
        """The fields."""
        return {"mark": self.mark, "file": self.file, "said": self.said}


def refused(file: str, error: Exception) -> Check:
    """An error of whoever reads the file, in one line, without the file's own name again."""
    said = one_line(error)
    return Check("ERROR", file, said.removeprefix(f"{file}: "))


@contextmanager
def as_config_error(remedy: str) -> Iterator[None]:
    """Whatever a tool raises about its file, as one sentence.

    Raises:
        ConfigError: with the tool's first line and the remedy.
    """
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # each tool has errors of its own
        said = one_line(error).rstrip(".")
        raise ConfigError(f"{said}; {remedy}") from error
