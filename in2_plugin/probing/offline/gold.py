"""Gold rows: what has to be known of a question to score its answer without its prompt.

One form serves three ends: what `in2 val write` writes, what the authors' data holds (prompts and all, which are passed
over), and what others write for the published outputs. Invariant: no two rows of a file have the same place or id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.kinds import KINDS
from in2_plugin.probing.probes.matrix import MATRIX
from in2_plugin.probing.published.files import GOLD_FIELDS, json_lines, number_of, text_of

ALL_KINDS = KINDS | MATRIX


@dataclass(frozen=True, slots=True)
class GoldRow:
    """One question as scoring sees it."""

    id: str | None
    set: int
    position: int
    n_positions: int
    """Items of the context."""
    gold: tuple[str, ...]
    ambiguous: bool
    """Whether the quoted part stands in the context more than once; such a row counts in the published scoring only."""


def question_id(kind_name: str, set_index: int, position: int) -> str:
    """What `in2 val write` calls a question."""
    return f"{kind_name}-{set_index}-{position}"


def gold_fields(kind_name: str, gold: Sequence[str]) -> dict[str, Any]:
    """The gold under its names: `completion`, or `label` and `description`; a list `gold` for cells of the matrix."""
    names = GOLD_FIELDS.get(kind_name)
    return dict(zip(names, gold, strict=True)) if names else {"gold": list(gold)}


def read_gold(kind_name: str, path: Path) -> list[GoldRow]:
    """All rows of a file, in its order. Where rows do not say `n_positions`, it is the largest position and one.

    Raises:
        ProbeError: a row lacks a field or repeats another; names file, row and field.
    """
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for number, row in enumerate(json_lines(path), start=1):
        place = f"{path}, row {number}"
        if not isinstance(row, dict):
            raise ProbeError(f"{place}: is no JSON object; write one a row")
        row.pop("prompt", None)  # 130 kB in the authors' files
        rows.append((place, row))
    if not rows:
        raise ProbeError(f"{path}: is empty; give the gold rows that belong to the predictions")
    positions = 1 + max(number_of(row, "position_id", place) for place, row in rows)
    found = [_gold_row(kind_name, place, row, positions) for place, row in rows]
    _refuse_repeats([place for place, _ in rows], found)
    return found


def _gold_row(kind_name: str, place: str, row: Mapping[str, Any], positions: int) -> GoldRow:
    position = number_of(row, "position_id", place)
    n_positions = number_of(row, "n_positions", place) if "n_positions" in row else positions
    if position >= n_positions:
        raise ProbeError(f"{place}: `position_id` is {position}, but `n_positions` is {n_positions}; mend the row")
    ambiguous = row.get("ambiguous", False)
    if not isinstance(ambiguous, bool):
        raise ProbeError(f"{place}: `ambiguous` is {ambiguous!r} where true or false belongs; mend the row")
    identity = text_of(row, "id", place) if "id" in row else None
    set_index = number_of(row, "set_id", place)
    return GoldRow(identity, set_index, position, n_positions, _gold(kind_name, place, row), ambiguous)


def _gold(kind_name: str, place: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    if names := GOLD_FIELDS.get(kind_name):
        return tuple(text_of(row, name, place) for name in names)
    texts = row.get("gold")
    if not isinstance(texts, list) or not texts:
        raise ProbeError(f"{place}: `gold` must be a list of texts for the {kind_name} probe; mend the row")
    return tuple(text_of({"gold": text}, "gold", place) for text in texts)


def _refuse_repeats(places: Sequence[str], rows: Sequence[GoldRow]) -> None:
    seen: set[tuple[int, int] | str] = set()
    for place, row in zip(places, rows, strict=True):
        if (row.set, row.position) in seen:
            raise ProbeError(f"{place}: position {row.position} of set {row.set} came before; keep one of the rows")
        if row.id is not None and row.id in seen:
            raise ProbeError(f"{place}: id {row.id} came before; give every question an id of its own")
        if (row.id is None) != (rows[0].id is None):
            raise ProbeError(f"{place}: some rows have an `id` and some have none; give it to all or to none")
        seen.add((row.set, row.position))
        if row.id is not None:
            seen.add(row.id)
