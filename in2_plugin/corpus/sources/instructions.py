"""Sample conversations of instruction datasets uniformly, in one pass, with the format detected per row.

Invariant: every usable row is equally likely to be chosen, whatever the number of rows; unusable rows are counted with
the reason. Memory: 16 bytes per chosen conversation; their texts are kept in a temporary file.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from in2_plugin.config import RowSource
from in2_plugin.corpus.sources.documents import read_rows
from in2_plugin.errors import CorpusError

Turns = tuple[tuple[str, str], ...]
"""(instruction, answer) pairs in order."""
USERS, ASSISTANTS = {"user", "human"}, {"assistant", "gpt", "model"}
KNOWN = (
    "`messages`, `conversations` (ShareGPT), `instruction`/`input`/`output` (Alpaca), "
    "`system_prompt`/`question`/`response` (OpenOrca) or `prompt`/`completion`"
)
# columns of the system text, of the user's text (joined by an empty line), and of the answer
_FLAT = (
    ("system_prompt", ("question",), "response"),
    ("system", ("instruction", "input"), "output"),
    ("system", ("prompt",), "completion"),
    ("system", ("prompt",), "response"),
)


@dataclass(frozen=True, slots=True)
class Sampled:
    """Counts of a pass over the instruction datasets."""

    rows: int
    """Rows read."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Rows that cannot be used, by reason."""


class Unusable(Exception):
    """A row that is not a conversation to learn from; the message is the reason."""


def conversation(row: Mapping[str, Any], place: str) -> Turns:
    """Return the turns of a row, with the system text before the first instruction.

    Raises:
        CorpusError: the row has none of the known formats.
        Unusable: the conversation is empty or does not alternate.
    """
    for name, role, content in (("messages", "role", "content"), ("conversations", "from", "value")):
        if isinstance(row.get(name), Sequence) and not isinstance(row[name], str):
            return _of_messages(row[name], role, content)
    for system, asked, answer in _FLAT:
        if row.get(asked[0]) is not None and answer in row:
            texts = [row.get(name) or "" for name in (system, *asked)]
            return _checked([("\n\n".join(filter(None, map(_text, texts))), _text(row[answer] or ""))])
    raise CorpusError(f"{place}: has the columns {', '.join(map(str, row))}, and a conversation needs {KNOWN}")


def _of_messages(messages: Sequence[Any], role: str, content: str) -> Turns:
    system, said = "", list[tuple[bool, str]]()
    for message in messages:
        if not isinstance(message, Mapping):
            raise Unusable("a message is no object with a role")
        # some datasets use the keys of one format under the name of the other
        who = message.get(role, message.get("role"))
        text = _text(message.get(content, message.get("content")) or "")
        if who == "system" and not said:
            system = text
        elif who in USERS | ASSISTANTS:
            said.append((who in USERS, text))
        else:
            raise Unusable(f"it has a message of {who!r}")
    if len(said) % 2 or [is_user for is_user, _ in said] != [True, False] * (len(said) // 2):
        raise Unusable("its user and assistant do not take turns")
    turns = [(said[i][1], said[i + 1][1]) for i in range(0, len(said), 2)]
    if turns and system:
        turns[0] = (f"{system}\n\n{turns[0][0]}", turns[0][1])
    return _checked(turns)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unusable("a message is no text")
    return value.replace("\r\n", "\n").strip()


def _checked(turns: Sequence[tuple[str, str]]) -> Turns:
    if not turns or not all(question and answer for question, answer in turns):
        raise Unusable("an instruction or an answer is empty")
    return tuple(turns)


def sample(
    sources: Sequence[RowSource],
    wanted: int,
    objection: Callable[[Turns], str | None],
    rng: np.random.Generator,
    on_row: Callable[[int], None],
) -> Iterator[tuple[str, Turns] | Sampled]:
    """Yield up to `wanted` (place, conversation) pairs in random order, and last the counts.

    Args:
        objection: returns why a conversation cannot be used, or None.
        on_row: called with 1 for every row read, for progress.
    """
    left_out: Counter[str] = Counter()
    rows = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        slots: list[int] = []
        usable = 0
        for source in sources:
            for place, row in read_rows(source):
                rows += 1
                on_row(1)
                try:
                    turns = conversation(row, place)
                    reason = objection(turns)
                except Unusable as unusable:
                    reason = str(unusable)
                if reason:
                    left_out[reason] += 1
                    continue
                # Algorithm R: the n-th usable row takes a slot with probability wanted / n
                slot = usable if usable < wanted else int(rng.integers(usable + 1))
                usable += 1
                if slot < wanted:
                    _put(slots, slot, _append(file, place, turns))
        for slot in rng.permutation(len(slots)).tolist():
            file.seek(slots[slot])
            place, stored = json.loads(file.readline())
            yield place, tuple((question, answer) for question, answer in stored)
    yield Sampled(rows, left_out)


def _put(slots: list[int], slot: int, offset: int) -> None:
    if slot == len(slots):
        slots.append(offset)
    else:
        slots[slot] = offset


def _append(file: IO[str], place: str, turns: Turns) -> int:
    offset = file.tell()
    file.write(json.dumps([place, turns]) + "\n")
    return offset
