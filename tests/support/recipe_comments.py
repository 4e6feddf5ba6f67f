"""Read the comments at the ends of a recipe's YAML lines: `# paper: section 2.1` or `# ours: a reason`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LINE = re.compile(
    r"^(?P<indent> *)(?P<dash>- )?(?:(?P<key>[A-Za-z0-9_]+): ?)?(?P<value>[^#]*?) *(?:# (?P<comment>.*))?$"
)
ORIGIN = re.compile(r"^(paper|ours): \S")


@dataclass(frozen=True, slots=True)
class ValueComment:
    """One value of a YAML file, and where it comes from."""

    key: str
    """With its sections: `questions.endpoint.model`."""
    value: str
    origin: str
    reason: str


def value_comments(text: str) -> Iterator[ValueComment]:
    """Yield one comment per line with a value.

    Raises:
        ValueError: a value has no such comment; names the line.
    """
    sections: list[tuple[int, str]] = []
    for line in text.splitlines():
        found = LINE.match(line)
        if not line.strip() or line.lstrip().startswith("#") or found is None:
            continue
        indent = len(found["indent"]) + (2 if found["dash"] and found["key"] else 0)
        sections = [(depth, name) for depth, name in sections if depth < indent]
        path = ".".join([name for _, name in sections] + ([found["key"]] if found["key"] else []))
        if not found["value"] and found["key"]:
            sections.append((indent, found["key"]))
            continue
        yield _comment(path, found, line)


def _comment(path: str, found: re.Match[str], line: str) -> ValueComment:
    comment = found["comment"] or ""
    if not ORIGIN.match(comment):
        raise ValueError(f"`{line.strip()}` has neither `# paper: ...` nor `# ours: ...`; add one")
    origin, _, reason = comment.partition(": ")
    return ValueComment(path, found["value"].strip(), origin, reason)
