"""Lines for a terminal: wrapped at words, where the terminal itself would cut them anywhere."""

import shutil
import sys
import textwrap
from typing import TextIO


def wrapped(text: str, out: TextIO) -> str:
    """Return `text` wrapped at words to the width of the terminal; unchanged if `out` is not a terminal."""
    if not out.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(
        textwrap.fill(
            line, width, subsequent_indent=" " * (len(line) - len(line.lstrip()) + 2),
            break_long_words=False, break_on_hyphens=False,
        )
        for line in text.split("\n")
    )  # fmt: skip


def say(text: str, *, err: bool = False) -> None:
    """Print a sentence for a person to stdout, or to stderr if `err`."""
    out = sys.stderr if err else sys.stdout
    print(wrapped(text, out), file=out, flush=True)
