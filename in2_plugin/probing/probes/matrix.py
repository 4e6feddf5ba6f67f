"""Three patterns of retrieval crossed with three styles of context: nine probes under one rule.

The paper's three probes differ in style and in pattern at once, so that they cannot tell which of the two is hard. Here
an item of any style has three fields in reading order; the question quotes the first (forward retrieval), the last
(backward) or the middle one (bi-directional) and asks for the whole item. An answer scores the share of the two
other fields that it has, word for word. Nothing is given for repeating the question.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from in2_plugin.probing.probes.kinds import KINDS, Kind, Piece
from in2_plugin.probing.scoring.answers import found_fields

STYLES = ("document", "code", "database")
PATTERNS = {"forward": 0, "bidirectional": 1, "backward": 2}
"""Which field is quoted; what is asked for stands after it, on both sides of it, or before it."""
SPANS = 16


@dataclass(frozen=True, slots=True)
class _Style:
    item: str
    """What the question calls an item."""
    quoted: tuple[str, str, str]
    """How the question says which field it quotes, by the field's place."""
    markers: tuple[str, str, str]
    """How each field stands in a context: what must occur exactly once."""
    fields: Callable[[Piece], tuple[str, str, str]]


def _thirds(piece: Piece) -> tuple[str, str, str]:
    words = piece.text.split()
    one, two = round(len(words) / 3), round(2 * len(words) / 3)
    return " ".join(words[:one]), " ".join(words[one:two]), " ".join(words[two:])


def _name_and_lines(piece: Piece) -> tuple[str, str, str]:
    # the first line of the body is left out, so that every style has three fields
    lines = [line.strip() for line in piece.text.splitlines()]
    return piece.gold[0], lines[-2], lines[-1]


def _columns(piece: Piece) -> tuple[str, str, str]:
    return piece.query, *piece.gold  # type: ignore[return-value]


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


def _cell(style_name: str, pattern: str) -> Kind:
    diagonal, style, place = KINDS[style_name], _STYLES[style_name], PATTERNS[pattern]

    def to_piece(row: Mapping[str, Any]) -> Piece | None:
        piece = diagonal.to_piece(row)
        if piece is None:
            return None
        fields = style.fields(piece)
        if not all(fields):
            return None
        return Piece(piece.text, fields[place], tuple(field for i, field in enumerate(fields) if i != place))

    return Kind(
        name=f"matrix_{style_name}_{pattern}",
        file=diagonal.file,
        spans=SPANS,
        to_piece=to_piece,
        question=f"In above context, which {style.item} {style.quoted[place]}? Write the whole {style.item}.",
        marker=style.markers[place],
        score=found_fields,
    )


MATRIX = {kind.name: kind for kind in (_cell(style, pattern) for style in STYLES for pattern in PATTERNS)}
