"""The remarks at the ends of a recipe's YAML lines, as rows of its README's tables.

Invariant: a line that has a value has a remark that begins with `paper: ` or `ours: `.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LINE = re.compile(
    r"^(?P<indent> *)(?P<dash>- )?(?:(?P<key>[A-Za-z0-9_]+): ?)?(?P<value>[^#]*?) *(?:# (?P<remark>.*))?$"
)
MARK = re.compile(r"^(paper|ours): \S")


@dataclass(frozen=True, slots=True)
class Remark:
    """What one line says and where its value comes from."""

    key: str
    """With the sections around it: `questions.endpoint.model`."""
    value: str
    origin: str
    why: str


def remarks(text: str) -> Iterator[Remark]:
    """One for each line with a value.

    Raises:
        ValueError: a value has no remark; names the line.
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
        yield _remark(path, found, line)


def _remark(path: str, found: re.Match[str], line: str) -> Remark:
    remark = found["remark"] or ""
    if not MARK.match(remark):
        raise ValueError(f"`{line.strip()}` says neither `# paper: ...` nor `# ours: ...`; mark it")
    origin, _, why = remark.partition(": ")
    return Remark(path, found["value"].strip(), origin, why)
