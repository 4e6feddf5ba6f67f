"""Change and add single keys in the text of a YAML file; every other byte stays as it is.

Keys are dotted paths: `mixture.total`, or `datasets.0.path` with the index of a list item. The edit carries the comment
at the end of its own line into the file, so a changed value never keeps the reason of the old one. Invariant: the
result is parsed again and has the new value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent, indent
from typing import Any

import yaml

from in2_plugin.errors import ConfigError

COMMENT_COLUMN = 50
"""Column of the comments in a recipe's YAML files; on longer lines they follow after two spaces."""
HEADER = "#"
"""The key that stands for the first comment line of a file."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One key with its new value and comment, as the overlay spells them."""

    key: str
    value: Any
    text: str
    """The value as YAML; a block of lines for a nested mapping."""
    comment: str
    """The comment at the end of the line; empty for a block, which contains its own comments."""

    @property
    def is_block(self) -> bool:
        """Return True for a value of several lines."""
        return "\n" in self.text

    def line(self, before: str) -> str:
        """Return the line that starts with `before` and ends with the value and its comment."""
        return f"{f'{before}{self.text}':<{COMMENT_COLUMN - 2}}  # {self.comment}"


def read_edits(text: str, node: yaml.MappingNode, source: str) -> Iterator[Edit]:
    """Yield the edits of one file from the mapping of keys that an overlay gives for it.

    Raises:
        ConfigError: a value has no comment that gives its reason.
    """
    lines = text.splitlines()
    for key, value in node.value:
        if _is_block(value):
            block = "\n".join(lines[key.start_mark.line + 1 : _last_line(value) + 1])
            yield Edit(key.value, _load(value), dedent(f"{block}\n"), "")
            continue
        spelled = text[value.start_mark.index : value.end_mark.index]
        comment = lines[value.end_mark.line][value.end_mark.column :].strip().removeprefix("#").strip()
        if key.value != HEADER and not comment:
            raise ConfigError(f"{source}: `{key.value}` has no comment; add its reason at the end of the line")
        yield Edit(key.value, _load(value), spelled, comment)


def change_key(text: str, edit: Edit) -> str:
    """Return the text with a new value and comment for a key that it has.

    Raises:
        ConfigError: the key is missing, or its value is a block of lines.
    """
    lines = text.splitlines()
    if edit.key == HEADER:
        return "\n".join([f"# {edit.value}", *lines[1:]]) + "\n"
    node = _find(text, edit.key)
    if node is None:
        raise ConfigError(f"there is no key `{edit.key}` to change")
    if _is_block(node) or edit.is_block or node.start_mark.line != node.end_mark.line:
        raise ConfigError(f"`{edit.key}` is a block of lines; change its keys one by one")
    line, column = node.start_mark.line, node.start_mark.column
    lines[line] = edit.line(lines[line][:column])
    return _checked(lines, edit)


def add_key(text: str, edit: Edit) -> str:
    """Return the text with a new key at the end of its section.

    Raises:
        ConfigError: the key is there already, or its section is missing.
    """
    parent, _, name = edit.key.rpartition(".")
    section = _find(text, parent)
    if not isinstance(section, yaml.MappingNode) or section.flow_style or not section.value:
        raise ConfigError(f"there is no section `{parent}` to add `{name}` to")
    if _find(text, edit.key) is not None:
        raise ConfigError(f"`{edit.key}` is there already; list it under `change`")
    margin = " " * section.value[0][0].start_mark.column
    added = f"{margin}{name}:\n{indent(edit.text, f'{margin}  ')}" if edit.is_block else edit.line(f"{margin}{name}: ")
    lines = text.splitlines()
    lines.insert(_last_line(section) + 1, added.rstrip("\n"))
    return _checked(lines, edit)


def _find(text: str, key: str) -> yaml.Node | None:
    """Return the node at a dotted path; the empty path is the whole file."""
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    for part in key.split(".") if key else ():
        if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
        elif isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == part), None)
        else:
            return None
    return node  # type: ignore[no-any-return]


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _last_line(node: yaml.Node) -> int:
    """Return the last line that belongs to a node; a block's own end mark is past the comments that follow it."""
    if not _is_block(node) or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(last, tuple) else last)


def _load(node: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(node))


def _checked(lines: list[str], edit: Edit) -> str:
    text = "\n".join(lines) + "\n"
    found = _find(text, edit.key)
    if found is None or _load(found) != edit.value:
        raise ConfigError(f"`{edit.key}` cannot be edited in this file; put the whole file into the overlay's folder")
    return text
