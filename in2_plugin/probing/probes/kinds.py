"""The three probes: what an item looks like, how it is asked for, and which file the pieces come from.

Formats and query wordings are the published ones, spaces before commas and question marks included (paper,
Figure 3), because a model's score depends on them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from in2_plugin.probing.scoring.answers import code_score, database_score, document_score


@dataclass(frozen=True, slots=True)
class Piece:
    """One item of a context and the question about it."""

    text: str
    """The item as it stands in the context; one line, or four for a function."""
    query: str
    """What the question quotes: eight words, a line of code, or an id."""
    gold: tuple[str, ...]
    """The answer; for an entity its label and its description, either of which counts."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the probes."""

    name: str
    file: str
    spans: int
    """Parts of the context in the paper: 50 positions each of 800 (database: 750)."""
    to_piece: Callable[[Mapping[str, Any]], Piece | None]
    """Makes the item of a row of the file, or None for a row that the published sets never drew."""
    question: str
    """The query, with `{}` where the quoted part goes."""
    marker: str
    """How the quoted part stands in a context, with `{}` for it: what must occur exactly once."""
    score: Callable[[tuple[str, ...], str], float]


def _document(row: Mapping[str, Any]) -> Piece:
    return Piece(row["sentence"], row["piece"], (row["sentence"],))


def _code(row: Mapping[str, Any]) -> Piece:
    name = row["function_name"]
    return Piece(f"def {name}:\n{row['function_define']}", row["piece"], (name,))


_UNMARKED = str.maketrans("", "", '[]"')
ENTITY_WORDS = range(3, 9)
"""Words of a label and of a description; no entity outside was drawn for the published sets."""


def _database(row: Mapping[str, Any]) -> Piece | None:
    # the published contexts and golds carry labels without brackets and quotes: models never repeat them
    label, description = row["label"].translate(_UNMARKED), row["dcpt"].translate(_UNMARKED)
    if not all(len(text.split()) in ENTITY_WORDS for text in (label, description)):
        return None
    text = f"<id: {row['id']}, label: {label}, description: {description}>"
    return Piece(text, row["id"], (label, description))


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="document",
            file="document_sentences.jsonl",
            spans=16,
            to_piece=_document,
            question='In above context, which sentence contains the piece "{}"?',
            marker="{}",
            score=document_score,
        ),
        Kind(
            name="code",
            file="code_functions.jsonl",
            spans=16,
            to_piece=_code,
            question='In above context, which function contains the code snip "{}" ?',
            marker="{}",
            score=code_score,
        ),
        Kind(
            name="database",
            file="database_entities.jsonl",
            spans=15,
            to_piece=_database,
            question="In above context , what is the label and description for the query where the id is {} ?",
            # with its comma: an id that begins another one is not ambiguous
            marker="<id: {},",
            score=database_score,
        ),
    )
}
