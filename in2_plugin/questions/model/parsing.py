"""From the text of an answer to questions: JSON or markers, whichever the model chose to write.

Invariants: what cannot be read is `Unreadable` with a reason that a person, or the model itself, can act on; no text
raises anything else. Nothing that was paid for is dropped: pairs beyond the number asked for are kept, and a faulty
pair among sound ones comes along with its flaw, to be turned down by itself.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from in2_plugin.questions.question import Kind

MOST_PIECES = 10_000
"""Pieces that a range like "2-5" is spelt out to; far above any passage, and a bound on memory."""
_THINKING = r"(?:<{0}(?:think|thinking|thought|reasoning)>|\[{0}THINK\])"
_OPENED = re.compile(r"\s*" + _THINKING.format(""), re.IGNORECASE)
_CLOSED = re.compile(_THINKING.format("/"), re.IGNORECASE)
_NAME = r"(question|answer|piece)s?[ \t*_]*\d*[ \t*_]*"
_MARKER = re.compile(
    rf"^[ \t>*_]*#+[ \t*_]*{_NAME}(?:#+[ \t*_]*[:\uff1a]?|[:\uff1a]|(?=\r?$))[*_]*[ \t]*", re.IGNORECASE | re.MULTILINE
)
_BARE_MARKER = re.compile(rf"^[ \t>*_]*{_NAME}[:\uff1a][*_]*[ \t]*", re.IGNORECASE | re.MULTILINE)
_OPENING = re.compile(r"[\[{]")
_NUMBERS = re.compile(r"(-?\d{1,9})(?:\.0+)?(?:[ \t]*[-\u2013][ \t]*(\d{1,9}))?")
_SURROGATE = re.compile("[\ud800-\udfff]")
# numbers stay as they were written: 40.50 is no 40.5, and 5,000 digits are no error
_DECODER = json.JSONDecoder(strict=False, parse_float=str, parse_int=str, parse_constant=str)


class Unreadable(Exception):
    """An answer that cannot be made into questions; its text is the reason."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and its answer, as the model wrote them."""

    question: str
    answer: str
    pieces: tuple[int, ...] | None = None
    """Numbers, from 1 and ascending, of the pieces that the answer needs; None when the model did not say."""
    flaw: str | None = None
    """Why it cannot be used, whatever it says. Only beside sound pairs of the same answer."""


def parse(text: str, kind: Kind, n_pieces: int) -> tuple[Pair, ...]:
    """Read the pairs of an answer; at least one of them without a flaw.

    Args:
        n_pieces: pieces of the passage, for integration.

    Raises:
        Unreadable: there is no pair, or all are flawed: one part is empty, or the pieces cannot be right.
    """
    text = without_thinking(text)
    found = _from_json(text) or _from_markers(text, _MARKER) or _from_markers(text, _BARE_MARKER)
    if not found:
        raise Unreadable("it holds no question with an answer in the form that was asked for")
    pairs = tuple(_checked(pair, kind, n_pieces) for pair in found)
    if all(pair.flaw for pair in pairs):
        raise Unreadable(pairs[0].flaw)
    return pairs


def without_thinking(text: str) -> str:
    """What follows the thoughts of a reasoning model; empty when they never end.

    Some chat templates hold the opening tag themselves, so that only the closing one arrives.
    """
    opened = _OPENED.match(text)
    if not opened and text.lstrip().startswith(("{", "[", "```")):
        return text  # a tag in it is what the question is about
    closed = list(_CLOSED.finditer(text))
    if closed:
        return text[closed[-1].end() :]
    return "" if opened else text


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
    """Pairs of the first JSON value in the text that holds any, prose and code fences around it or not."""
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
    # not escaped, because "\\u2013" for a dash would be read as a number
    return Pair(question, answer, _pieces(json.dumps(entry.get("pieces"), ensure_ascii=False)))


def _text(value: Any) -> str:
    # some models give a list of sentences
    if isinstance(value, list):
        value = " ".join(map(_text, value))
    # half an emoji, as an escape; it could be written nowhere
    return "" if value is None else _SURROGATE.sub("\ufffd", str(value)).strip()


def _from_markers(text: str, marker: re.Pattern[str]) -> list[Pair]:
    """Pairs between markers; none when no question has an answer.

    The first question may lack its marker, because the paper's prompt ends with it, but not where any line that begins
    with "Answer:" would count as one.
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
    # a last marker with nothing behind it begins no question
    begun = [group for group in groups if group.get("question") or group.get("answer")] or groups
    return [Pair(_text(g.get("question")), _text(g.get("answer")), _pieces(g.get("piece", ""))) for g in begun]


def _unfenced(text: str) -> str:
    """Text without the spaces around it, and without the end of a code fence that began before it."""
    text = text.strip()
    return text.removesuffix("```").rstrip() if text.count("```") % 2 else text


def _pieces(text: str) -> tuple[int, ...] | None:
    """The numbers in the first paragraph of a text, ranges spelt out."""
    numbers: set[int] = set()
    for first, last in _NUMBERS.findall(text.split("\n\n", maxsplit=1)[0]):
        numbers |= {int(first), int(last or first), *range(max(int(first), 1), min(int(last or 0), MOST_PIECES))}
    return tuple(sorted(numbers)) or None
