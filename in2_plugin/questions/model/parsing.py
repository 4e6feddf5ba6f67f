"""Parse the text of an answer into question-answer pairs, from JSON or from markers, whichever the model used.

Invariants: text without usable pairs raises `Unreadable`, with a reason that a person or the model can act on, and no
text raises anything else. Paid output is never dropped: pairs beyond the requested number are kept, and a flawed pair
among good ones is returned with its flaw, so that it is rejected alone.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from in2_plugin.answer_text import answer_text
from in2_plugin.questions.question import Kind

MOST_PIECES = 10_000
"""Largest number to which a range like "2-5" is expanded; far above any passage, and a bound on memory."""
_NAME = r"(question|answer|piece)s?[ \t*_]*\d*[ \t*_]*"
_MARKER = re.compile(
    rf"^[ \t>*_]*#+[ \t*_]*{_NAME}(?:#+[ \t*_]*[:\uff1a]?|[:\uff1a]|(?=\r?$))[*_]*[ \t]*", re.IGNORECASE | re.MULTILINE
)
_BARE_MARKER = re.compile(rf"^[ \t>*_]*{_NAME}[:\uff1a][*_]*[ \t]*", re.IGNORECASE | re.MULTILINE)
_OPENING = re.compile(r"[\[{]")
_NUMBERS = re.compile(r"(-?\d{1,9})(?:\.0+)?(?:[ \t]*[-\u2013][ \t]*(\d{1,9}))?")
_SURROGATE = re.compile("[\ud800-\udfff]")
# numbers stay as they are written: 40.50 does not become 40.5, and 5,000 digits are not an error
_DECODER = json.JSONDecoder(strict=False, parse_float=str, parse_int=str, parse_constant=str)


class Unreadable(Exception):
    """The answer has no usable pair; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and its answer, as written by the model."""

    question: str
    answer: str
    pieces: tuple[int, ...] | None = None
    """Ascending numbers, from 1, of the segments that the answer needs; None when the model named none."""
    flaw: str | None = None
    """Reason why the pair cannot be used; set only next to good pairs of the same answer."""


def parse(text: str, kind: Kind, n_pieces: int) -> tuple[Pair, ...]:
    """Return the pairs of an answer, at least one of them without a flaw.

    Args:
        n_pieces: number of segments of the passage, for integration.

    Raises:
        Unreadable: the thoughts never end, there is no pair, or every pair has an empty part or impossible segment
            numbers.
    """
    answer = answer_text(text)
    if answer is None:
        raise Unreadable("its thoughts never end")
    found = _from_json(answer) or _from_markers(answer, _MARKER) or _from_markers(answer, _BARE_MARKER)
    if not found:
        raise Unreadable("it holds no question with an answer in the form that was asked for")
    pairs = tuple(_checked(pair, kind, n_pieces) for pair in found)
    if all(pair.flaw for pair in pairs):
        raise Unreadable(pairs[0].flaw)
    return pairs


def _checked(pair: Pair, kind: Kind, n_pieces: int) -> Pair:
    pieces = pair.pieces if kind is Kind.INTEGRATION else None
    flaw = None
    if not pair.question or not pair.answer:
        flaw = "a question or an answer is empty"
    elif "\ufffd" in pair.question + pair.answer:
        flaw = "it holds broken characters"
    elif pieces and (pieces[0] < 1 or pieces[-1] > n_pieces):
        flaw = "it names a piece that was not given"
    elif pieces and len(pieces) < 2:
        flaw = "it names fewer than two pieces"
    return Pair(pair.question, pair.answer, None if flaw else pieces, flaw)


def _from_json(text: str) -> list[Pair]:
    """Return the pairs of the first JSON value with any, ignoring prose and code fences around it."""
    at = 0
    while opening := _OPENING.search(text, at):
        try:
            value, at = _DECODER.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            at = opening.start() + 1
            continue
        if pairs := _pairs_of(value):
            return pairs
    return []


def _pairs_of(value: Any) -> list[Pair]:
    if isinstance(value, dict) and isinstance(value.get("questions"), list):
        value = value["questions"]
    entries = [entry if isinstance(entry, dict) else {} for entry in (value if isinstance(value, list) else [value])]
    if not any({"question", "answer"} <= entry.keys() for entry in entries):
        return []
    return [_pair_of(entry) for entry in entries]


def _pair_of(entry: dict[str, Any]) -> Pair:
    question, answer = (_text(entry.get(name)) for name in ("question", "answer"))
    # not escaped, because "\\u2013" for a dash would be parsed as a number
    return Pair(question, answer, _pieces(json.dumps(entry.get("pieces"), ensure_ascii=False)))


def _text(value: Any) -> str:
    # some models return a list of sentences
    if isinstance(value, list):
        value = " ".join(map(_text, value))
    # a lone surrogate, half of an escaped emoji, cannot be encoded
    return "" if value is None else _SURROGATE.sub("\ufffd", str(value)).strip()


def _from_markers(text: str, marker: re.Pattern[str]) -> list[Pair]:
    """Return the pairs between markers; none when no question has an answer.

    The first question may lack its marker, because the paper's prompt ends with it; but not with bare markers, where
    any line that starts with "Answer:" would count.
    """
    marks = list(marker.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    parts = [(mark[1].lower(), _unfenced(text[mark.end() : end])) for mark, end in zip(marks, ends, strict=False)]
    if parts and parts[0][0] == "answer" and marker is _MARKER:
        parts.insert(0, ("question", _unfenced(text[: marks[0].start()])))
    groups: list[dict[str, str]] = []
    for name, content in parts:
        if not groups or name == "question" or name in groups[-1]:
            groups.append({})
        groups[-1][name] = content
    if not any({"question", "answer"} <= group.keys() for group in groups):
        return []
    # a final marker without text does not start a question
    begun = [group for group in groups if group.get("question") or group.get("answer")] or groups
    return [Pair(_text(g.get("question")), _text(g.get("answer")), _pieces(g.get("piece", ""))) for g in begun]


def _unfenced(text: str) -> str:
    """Strip whitespace, and the end of a code fence that started before the text."""
    text = text.strip()
    return text.removesuffix("```").rstrip() if text.count("```") % 2 else text


def _pieces(text: str) -> tuple[int, ...] | None:
    """Return the numbers in the first paragraph of a text, with ranges expanded."""
    numbers: set[int] = set()
    for first, last in _NUMBERS.findall(text.split("\n\n", maxsplit=1)[0]):
        numbers |= {int(first), int(last or first), *range(max(int(first), 1), min(int(last or 0), MOST_PIECES))}
    return tuple(sorted(numbers)) or None
