"""Tables for the terminal: boxed and colored there, plain and unwrapped in a pipe or a log file."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PLAIN_WIDTH = 200
"""Columns of output that does not go to a terminal; wide enough that no row wraps."""
FIRST_WIDTH = 10
"""Columns that a narrow terminal leaves to the first column, whose names it would otherwise drop."""


def make_table(first: str, columns: Iterable[str]) -> "Table":
    """Return an empty table: a left-aligned first column that wraps, then right-aligned ones that do not."""
    from rich import box
    from rich.table import Table

    on_terminal = sys.stdout.isatty()  # whose box separates columns by one more space
    padding = (0, 1, 0, 0) if on_terminal else (0, 1)
    table = Table(box=box.SIMPLE_HEAD if on_terminal else None, pad_edge=False, padding=padding)
    table.add_column(first, overflow="fold", min_width=FIRST_WIDTH)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def make_console(plain_width: int = PLAIN_WIDTH) -> "Console":
    """Return a console for stdout, with `plain_width` columns where stdout is not a terminal."""
    from rich.console import Console

    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else plain_width, highlight=False)
