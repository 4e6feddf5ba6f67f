"""Templates of recipe files: Jinja, and remarks at the end of lines put under each other.

Invariant: a name that the table does not give is an error, never an empty place.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"
REMARK = re.compile(r"^(?P<said>\s*\S.*?) +# (?P<remark>(?:paper|ours): .*)$")
COLUMN = 50
"""Remarks of a YAML file begin here, or two spaces behind a longer line."""

# `{#` and `{%` are taken in shell scripts, where `${#array}` is
_JINJA = Environment(
    loader=FileSystemLoader(TEMPLATES),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
    comment_start_string="{##",
    comment_end_string="##}",
)


def rendered(name: str, values: Mapping[str, Any]) -> str:
    """The template of that name under `templates/`, filled in.

    Raises:
        jinja2.UndefinedError: `values` lacks a name that it uses.
    """
    text = _JINJA.get_template(name).render(values)
    return aligned(text) if name.endswith(".yml") else text


def aligned(text: str) -> str:
    """Put the remarks `# paper: ...` and `# ours: ...` under each other."""
    return "".join(f"{_aligned(line)}\n" for line in text.splitlines())


def _aligned(line: str) -> str:
    found = REMARK.match(line)
    return f"{found['said']:<{COLUMN - 2}}  # {found['remark']}" if found else line
