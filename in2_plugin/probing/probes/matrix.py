"""Nine probes with one rule: three retrieval patterns crossed with three styles of context.

The paper's three probes differ in style and in pattern at once, so they cannot tell which of the two is hard. Here an
item of any style has three fields in reading order. The question quotes the first (forward retrieval), the last
(backward) or the middle one (bi-directional) and asks for the whole item. An answer scores the share of the two other
fields that it contains word for word. Repeating the question scores nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from in2_plugin.probing.probes.builtin import BUILTIN
from in2_plugin.probing.probes.probe import Item, Probe
from in2_plugin.probing.probes.registry import PROBES
from in2_plugin.probing.scoring.answers import found_fields

PATTERNS = {"forward": 0, "bidirectional": 1, "backward": 2}
"""The field that is quoted; the answer is after it, on both sides of it, or before it."""
SPANS = 16


@dataclass(frozen=True, slots=True)
class _Style:
    noun: str
    """The question's word for an item."""
    quoted: tuple[str, str, str]
    """The question's words for the quoted field, by the field's index."""
    markers: tuple[str, str, str]
    """Each field as it appears in a context, which must occur exactly once."""
    fields: Callable[[Item], tuple[str, str, str]]


def _thirds(item: Item) -> tuple[str, str, str]:
    words = item.text.split()
    one, two = round(len(words) / 3), round(2 * len(words) / 3)
    return " ".join(words[:one]), " ".join(words[one:two]), " ".join(words[two:])


def _name_and_lines(item: Item) -> tuple[str, str, str]:
    # without the first line of the body, so that every style has three fields
    lines = [line.strip() for line in item.text.splitlines()]
    return item.gold[0], lines[-2], lines[-1]


def _columns(item: Item) -> tuple[str, str, str]:
    return item.query, *item.gold  # type: ignore[return-value]


_STYLES = {
    "document": _Style(
        "sentence", ('begins with "{}"', 'contains "{}"', 'ends with "{}"'), ("{}", "{}", "{}"), _thirds
    ),
    "code": _Style(
        "function",
        ('has the name "{}"', 'contains the line "{}"', 'ends with the line "{}"'),
        ("def {}:", "{}", "{}"),
        _name_and_lines,
    ),
    "database": _Style(
        "entry",
        ('has the id "{}"', 'has the label "{}"', 'has the description "{}"'),
        ("<id: {},", ", label: {}, description: ", ", description: {}>"),
        _columns,
    ),
}
STYLES = tuple(_STYLES)


def _cell(base: Probe, pattern: str) -> Probe:
    style, place = _STYLES[base.name], PATTERNS[pattern]

    def parse_item(row: Mapping[str, Any]) -> Item | None:
        item = base.parse_item(row)
        if item is None:
            return None
        fields = style.fields(item)
        if not all(fields):
            return None
        return Item(item.text, fields[place], tuple(field for i, field in enumerate(fields) if i != place))

    return Probe(
        name=f"matrix_{base.name}_{pattern}",
        title=f"{base.title}, {pattern}",
        file=base.file,
        spans=SPANS,
        parse_item=parse_item,
        question=f"In above context, which {style.noun} {style.quoted[place]}? Write the whole {style.noun}.",
        score=found_fields,
        marker=style.markers[place],
    )


MATRIX = {
    cell.name: cell
    for cell in (_cell(base, pattern) for base in BUILTIN if base.name in _STYLES for pattern in PATTERNS)
}


def all_probes() -> dict[str, Probe]:
    """Return the registered probes and the cells of the matrix by name."""
    return {**PROBES, **MATRIX}


def find_probe(name: str) -> Probe:
    """Return the registered probe or the cell of the matrix called `name`; raises KeyError if there is none."""
    return MATRIX[name] if name in MATRIX else PROBES[name]
