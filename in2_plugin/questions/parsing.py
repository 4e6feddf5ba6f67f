"""From the text of an answer to questions: JSON or markers, whichever the model chose to write.

Invariant: what cannot be read is `Unreadable` with a reason that a person, or the model itself, can act on; no text
raises anything else. Pairs beyond the number asked for are kept: they were paid for.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from in2_plugin.questions.question import Kind

_THINKING = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_MARKER = re.compile(
    r"^[ \t>*_]*#{2,}[ \t*]*(question|answer|piece)s?[ \t*]*\d*[ \t*]*#*[ \t*]*[:\uff1a]?[*_]*[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_OPENING = re.compile(r"[\[{]")


class Unreadable(Exception):
    """An answer that cannot be made into questions; its text is the reason."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and its answer, as the model wrote them."""

    question: str
    answer: str
    pieces: tuple[int, ...] | None = None
    """Numbers, from 1, of the pieces that the answer needs; None when the model did not say."""


def parse(text: str, kind: Kind, n_pieces: int) -> tuple[Pair, ...]:
    """Read the pairs of an answer; at least one.

    Args:
        n_pieces: pieces of the passage, for integration.

    Raises:
        Unreadable: there is no pair, one is empty, or its pieces cannot be right.
    """
    text = _THINKING.sub("", text)
    found = _from_json(text)
    if found is None:
        found = _from_markers(text)
    if not found:
        raise Unreadable("it holds no question with an answer in the form that was asked for")
    return tuple(_checked(pair, kind, n_pieces) for pair in found)


def _checked(pair: Pair, kind: Kind, n_pieces: int) -> Pair:
    if not pair.question or not pair.answer:
        raise Unreadable("a question or an answer is empty")
    if kind is Kind.FINE_GRAINED or not pair.pieces:
        return Pair(pair.question, pair.answer)
    if any(piece < 1 or piece > n_pieces for piece in pair.pieces):
        raise Unreadable("it names a piece that was not given")
    if len(set(pair.pieces)) < 2:
        raise Unreadable("it names fewer than two pieces")
    return pair


def _from_json(text: str) -> list[Pair] | None:
    """Pairs of the first JSON value in the text that holds any, prose and code fences around it or not."""
    decoder = json.JSONDecoder()
    at = 0
    while opening := _OPENING.search(text, at):
        try:
            value, at = decoder.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            at = opening.start() + 1
            continue
        if pairs := _pairs_of(value):
            return pairs
    return None


def _pairs_of(value: Any) -> list[Pair]:
    if isinstance(value, dict) and isinstance(value.get("questions"), list):
        value = value["questions"]
    entries = value if isinstance(value, list) else [value]
    return [_pair_of(entry) for entry in entries if isinstance(entry, dict) and {"question", "answer"} <= entry.keys()]


def _pair_of(entry: dict[str, Any]) -> Pair:
    question, answer = (_text(entry[name]) for name in ("question", "answer"))
    given = entry.get("pieces")
    numbers = re.findall(r"-?\d+", json.dumps(given)) if given is not None else []
    return Pair(question, answer, tuple(int(number[:9]) for number in numbers) or None)


def _text(value: Any) -> str:
    # some models give a list of sentences, or a bare number
    if isinstance(value, list):
        value = " ".join(map(_text, value))
    return "" if value is None else str(value).strip()


def _from_markers(text: str) -> list[Pair]:
    """Pairs between markers; the first question may lack its marker, because the paper's prompt ends with it."""
    marks = list(_MARKER.finditer(text))
    if not marks:
        return []
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    parts = [(mark[1].lower(), text[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)]
    if parts[0][0] == "answer":
        parts.insert(0, ("question", text[: marks[0].start()].strip()))
    pairs: list[Pair] = []
    question: str | None = None
    for name, content in parts:
        if name == "question":
            question = content
        elif name == "answer" and question is not None:
            pairs.append(Pair(question, content))
            question = None
        elif name == "piece" and pairs and (numbers := re.findall(r"-?\d{1,9}", content)):
            pairs[-1] = Pair(pairs[-1].question, pairs[-1].answer, tuple(map(int, numbers)))
    return pairs
