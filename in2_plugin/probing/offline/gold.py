"""Read and write gold rows: what scoring an answer needs when the prompt is not at hand.

One format covers the files of `in2 val write`, the authors' data (whose prompts are ignored) and gold rows made for the
published outputs. Invariant: no two rows of a file have the same id, or the same set and position.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ProbeError
from in2_plugin.probing.probes.probe import Probe
from in2_plugin.probing.published.files import json_lines, number_of, text_of


@dataclass(frozen=True, slots=True)
class GoldRow:
    """One question with the fields that scoring needs."""

    id: str | None
    set: int
    position: int
    n_positions: int
    """Number of items in the context."""
    gold: tuple[str, ...]
    ambiguous: bool
    """True if the quoted part occurs more than once in the context; such a row counts only in the published scoring."""
    opens_thought: bool = False
    """True if the prompt ends inside a thought, as with the chat templates of some reasoning models."""


def question_id(probe: Probe, set_index: int, position: int) -> str:
    """Return the id that `in2 val write` gives a question."""
    return f"{probe.name}-{set_index}-{position}"


def gold_fields(probe: Probe, gold: Sequence[str]) -> dict[str, Any]:
    """Return the gold texts under the probe's field names, or as the list `gold` if it has none."""
    return dict(zip(probe.gold_fields, gold, strict=True)) if probe.gold_fields else {"gold": list(gold)}


def read_gold(probe: Probe, path: Path) -> list[GoldRow]:
    """Read all rows of a file in its order. Without `n_positions`, the largest position of the file is the last one.

    Raises:
        ProbeError: a row lacks a field or repeats another row; names file, row and field.
    """
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for number, row in enumerate(json_lines(path), start=1):
        place = f"{path}, row {number}"
        if not isinstance(row, dict):
            raise ProbeError(f"{place}: is not a JSON object; write one per row")
        row.pop("prompt", None)  # 130 kB in the authors' files
        rows.append((place, row))
    if not rows:
        raise ProbeError(f"{path}: is empty; give the gold rows that belong to the predictions")
    positions = 1 + max(number_of(row, "position_id", place) for place, row in rows)
    found = [_gold_row(probe, place, row, positions) for place, row in rows]
    _refuse_repeats([place for place, _ in rows], found)
    return found


def _gold_row(probe: Probe, place: str, row: Mapping[str, Any], positions: int) -> GoldRow:
    position = number_of(row, "position_id", place)
    n_positions = number_of(row, "n_positions", place) if "n_positions" in row else positions
    if position >= n_positions:
        raise ProbeError(f"{place}: `position_id` is {position}, but `n_positions` is {n_positions}; fix the row")
    ambiguous, opens_thought = (_flag(row, name, place) for name in ("ambiguous", "opens_thought"))
    identity = text_of(row, "id", place) if "id" in row else None
    set_index = number_of(row, "set_id", place)
    return GoldRow(identity, set_index, position, n_positions, _gold(probe, place, row), ambiguous, opens_thought)


def _flag(row: Mapping[str, Any], name: str, place: str) -> bool:
    value = row.get(name, False)
    if not isinstance(value, bool):
        raise ProbeError(f"{place}: `{name}` must be true or false, not {value!r}; fix the row")
    return value


def _gold(probe: Probe, place: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    if probe.gold_fields:
        return tuple(text_of(row, name, place) for name in probe.gold_fields)
    texts = row.get("gold")
    if not isinstance(texts, list) or not texts:
        raise ProbeError(f"{place}: `gold` must be a list of texts for the {probe.name} probe; fix the row")
    return tuple(text_of({"gold": text}, "gold", place) for text in texts)


def _refuse_repeats(places: Sequence[str], rows: Sequence[GoldRow]) -> None:
    seen: set[tuple[int, int] | str] = set()
    for place, row in zip(places, rows, strict=True):
        if (row.set, row.position) in seen:
            raise ProbeError(f"{place}: position {row.position} of set {row.set} occurs twice; keep one of the rows")
        if row.id is not None and row.id in seen:
            raise ProbeError(f"{place}: id {row.id} occurs twice; give every question its own id")
        if (row.id is None) != (rows[0].id is None):
            raise ProbeError(f"{place}: some rows have an `id` and some have none; give it to all or to none")
        seen.add((row.set, row.position))
        if row.id is not None:
            seen.add(row.id)
