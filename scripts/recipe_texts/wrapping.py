"""Markdown whose paragraphs and list items are no wider than a screen.

Invariant: no word is changed; tables, headings and blocks of code stay as they are.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

WIDTH = 120
LINE = re.compile(r"( *)(- |\d+\. )?")
BEGINS_ITEM = re.compile(r" *(- |\d+\. )")


def wrapped(text: str) -> str:
    """The text with its paragraphs filled anew."""
    return "".join(f"{line}\n" for block in _blocks(text.splitlines()) for line in _filled(block))


@dataclass(slots=True)
class _Block:
    """Lines that belong together: a paragraph, an item of a list, or one line that stays as it is."""

    lines: list[str]
    stays: bool


def _blocks(lines: list[str]) -> Iterator[_Block]:
    block = _Block([], False)
    is_code = False
    for line in lines:
        is_fence = line.lstrip().startswith("```")
        is_code = is_code != is_fence
        stays = is_code or is_fence or not line.strip() or line.startswith(("|", "#"))
        if stays or block.stays or BEGINS_ITEM.match(line):
            if block.lines:
                yield block
            block = _Block([], stays)
        block.lines.append(line)
    yield block


def _filled(block: _Block) -> list[str]:
    if block.stays:
        return block.lines
    indent, mark = LINE.match(block.lines[0]).groups(default="")  # type: ignore[union-attr]  # it matches any line
    return textwrap.wrap(
        " ".join(line.strip() for line in block.lines), WIDTH,
        initial_indent=indent, subsequent_indent=indent + " " * len(mark),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
