"""Sample conversations of instruction datasets uniformly, in one pass, with the format detected per row.

Invariant: every usable row is equally likely to be chosen, whatever the number of rows; unusable rows are counted with
the reason. Memory: 16 bytes per chosen conversation; their texts are kept in a temporary file.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any

import numpy as np

from in2_plugin.config import RowSource
from in2_plugin.corpus.sources.bad_rows import BadRow, BadRows, checked_text, lines_of
from in2_plugin.corpus.sources.documents import read_rows

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


_LISTS = (("messages", "role", "content"), ("conversations", "from", "value"))
# a list of messages, and the keys of a message's role and text


@dataclass(frozen=True, slots=True)
class Sampled:
    """Counts of a pass over the instruction datasets."""

    rows: int
    """Rows read."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Rows that cannot be used, by reason."""
    first: Mapping[str, str] = field(default_factory=dict)
    """Place of the first row of each reason."""
    bad: tuple[str, ...] = ()
    """One sentence for each source that has rows in an unknown format or with something else than text."""


class Unusable(Exception):
    """A row that is not a conversation to learn from; the message is the reason."""


def conversation(row: Mapping[str, Any]) -> Turns:
    """Return the turns of a row, with the system text before the first instruction.

    Raises:
        BadRow: the row has none of the known formats, or holds something else than text.
        Unusable: the conversation is empty or does not alternate.
    """
    for name, role, content in _LISTS:
        if isinstance(row.get(name), Sequence) and not isinstance(row[name], str):
            return _of_messages(row[name], role, content)
    for system, asked, answer in _FLAT:
        if row.get(asked[0]) is not None and answer in row:
            texts = [checked_text(row.get(name), name).strip() for name in (system, *asked)]
            return _checked([("\n\n".join(filter(None, texts)), checked_text(row[answer], answer).strip())])
    for name in (*(name for name, *_ in _LISTS), *(asked[0] for _, asked, answer in _FLAT if answer in row)):
        if name in row and row[name] is None:
            raise Unusable(f"`{name}` is empty")
    for name, *_ in _LISTS:
        if name in row:
            raise BadRow(f"`{name}` holds {type(row[name]).__name__}, not a list of messages")
    raise BadRow(f"has the columns {', '.join(map(str, row))}, and a conversation needs {KNOWN}")


def _of_messages(messages: Sequence[Any], role: str, content: str) -> Turns:
    system, said = "", list[tuple[bool, str]]()
    for message in messages:
        if not isinstance(message, Mapping):
            raise BadRow("a message is no object with a role")
        # some datasets use the keys of one format under the name of the other
        who = message.get(role, message.get("role"))
        if not isinstance(who, str):
            raise BadRow(f"the role of a message holds {type(who).__name__}, not text")
        text = checked_text(message.get(content, message.get("content")), content).strip()
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

    Raises:
        CorpusError: a source cannot be read, or has too many bad rows.
    """
    left_out: Counter[str] = Counter()
    first: dict[str, str] = {}
    counts = [BadRows(source.path, source.max_bad_rows) for source in sources]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        slots: list[int] = []
        usable = 0
        for source, bad in zip(sources, counts, strict=True):
            for place, row in read_rows(source):
                bad.rows += 1
                on_row(1)
                try:
                    turns = conversation(row)
                    reason = objection(turns)
                except BadRow as failure:
                    reason = str(failure)
                    bad.skip(partial(str, place), reason)
                except Unusable as unusable:
                    reason = str(unusable)
                if reason:
                    left_out[reason] += 1
                    first.setdefault(reason, place)
                    continue
                # Algorithm R: the n-th usable row takes a slot with probability wanted / n
                slot = usable if usable < wanted else int(rng.integers(usable + 1))
                usable += 1
                if slot < wanted:
                    _put(slots, slot, _append(file, place, turns))
            bad.require()
        for slot in rng.permutation(len(slots)).tolist():
            file.seek(slots[slot])
            place, stored = json.loads(file.readline())
            yield place, tuple((question, answer) for question, answer in stored)
    yield Sampled(sum(bad.rows for bad in counts), left_out, first, tuple(lines_of(counts)))


def _put(slots: list[int], slot: int, offset: int) -> None:
    if slot == len(slots):
        slots.append(offset)
    else:
        slots[slot] = offset


def _append(file: IO[str], place: str, turns: Turns) -> int:
    offset = file.tell()
    file.write(json.dumps([place, turns]) + "\n")
    return offset
