"""Forms of the extractive writer about code: lines, the functions around them, parameters, assigned values.

A quotation is a line or a part of one, between backticks, as it is in the text but without its indentation. Lines that
others contain, and names that are common words, are not asked about.
"""

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from in2_plugin.questions.extractive.code_lines import CodeLine, code_lines
from in2_plugin.questions.extractive.definitions import Signature, signatures
from in2_plugin.questions.extractive.quoting import Draft, Excerpt, is_rare, neighbours, some_of

LINE_LETTERS = range(12, 121)
"""Characters of a line that is quoted or asked for."""
LINES_BETWEEN = range(1, 4)

_TOKEN = re.compile(r"\w+|[^\w\s]")
_ASSIGNMENT = re.compile(
    r"(?:(?:const|let|var|final|static|public|private|protected|export|val)\s)*"
    r"(?P<name>[A-Za-z_][\w.]*)(?P<sign>\s*(?::\s*[\w\[\], .|]+?)?\s*:?=\s*)(?P<value>[^=\s].*?);?$"
)
_UNFINISHED = re.compile(r"[(\[{,\\+*/=&|.-]$|\b(?:and|or|not|if|else|in)$|\s(?:#|//)\s")
"""What ends a line of an assignment that goes on, or a comment after it."""


def has_code(excerpt: Excerpt) -> bool:
    """Return True if the excerpt has a block of code, or explains a signature."""
    return bool(code_lines(excerpt.texts) or signatures(excerpt.texts))


def _can_quote(text: str) -> bool:
    return len(text) in LINE_LETTERS and "`" not in text and is_rare(text)


def _lines(excerpt: Excerpt, rng: np.random.Generator) -> Iterator[CodeLine]:
    """Yield random lines that can be quoted."""
    lines = some_of(code_lines(excerpt.texts), rng)
    return (line for line in lines if _can_quote(line.text) and excerpt.has_once(line.text))


def _gap(line: CodeLine, later: CodeLine) -> int:
    is_same_block = (line.segment, line.block) == (later.segment, later.block)
    return later.number - line.number if is_same_block else 0


def _line_beside(excerpt: Excerpt, rng: np.random.Generator, *, is_after: bool) -> Draft | None:
    """Ask for one of two consecutive lines, without a blank one between them."""
    pairs = neighbours(code_lines(excerpt.texts), lambda line, later: _gap(line, later) == 1)
    for pair in some_of(pairs, rng):
        line, answer = pair if is_after else pair[::-1]
        if _can_quote(line.text) and _can_quote(answer.text):
            question = f"Which line comes right {'after' if is_after else 'before'} `{line.text}`?"
            return excerpt.draft(question, answer.text, line.segment, line.text)
    return None


def next_line(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the line after the quoted one."""
    return _line_beside(excerpt, rng, is_after=True)


def previous_line(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the line before the quoted one."""
    return _line_beside(excerpt, rng, is_after=False)


def line_with(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the line around an expression."""
    for line in _lines(excerpt, rng):
        tokens = [match.span() for match in _TOKEN.finditer(line.text)]
        n = len(tokens) // 2
        if n < 3:
            continue
        first = int(rng.integers(1, len(tokens) - n))
        part = line.text[tokens[first][0] : tokens[first + n - 1][1]]
        if is_rare(part):
            question = f"Give the whole line of which `{part}` is a part."
            return excerpt.draft(question, line.text, line.segment, part)
    return None


def lines_between(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the one to three lines between two quoted ones, with their indentation."""
    lines = code_lines(excerpt.texts)
    for line in _lines(excerpt, rng):
        ends = [other for other in lines if _gap(line, other) - 1 in LINES_BETWEEN and _can_quote(other.text)]
        if not ends:
            continue
        end = ends[rng.integers(len(ends))]
        between = excerpt.texts[line.segment].split("\n")[line.number + 1 : end.number]
        answer = "\n".join(between).strip()
        if is_rare(answer):
            question = f"What is between the line `{line.text}` and the line `{end.text}`?"
            return excerpt.draft(question, answer, line.segment, line.text, end.text)
    return None


def _owned_lines(excerpt: Excerpt, rng: np.random.Generator) -> Iterator[tuple[CodeLine, str]]:
    """Yield random lines with the name of the function or class around them."""
    for line in _lines(excerpt, rng):
        if line.owner and is_rare(line.owner) and line.owner not in line.text:
            yield line, line.owner


def definition_around(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the name of the function or class around a line."""
    for line, owner in _owned_lines(excerpt, rng):
        question = f"Name the innermost function or class with the line `{line.text}` in its body."
        return excerpt.draft(question, owner, line.segment, line.text)
    return None


def _signature(excerpt: Excerpt, rng: np.random.Generator) -> Signature | None:
    """Draw a signature with rare parameters, whose name is explained once."""
    found = signatures(excerpt.texts)
    names = Counter(signature.name for signature in found)
    accept = lambda it: names[it.name] == 1 and is_rare(it.name) and _can_quote(it.parameters)  # noqa: E731
    return next(filter(accept, some_of(found, rng)), None)


def signature_of(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for what follows a name in its signature."""
    if not (found := _signature(excerpt, rng)):
        return None
    opening = f"{found.name}("
    question = f"How does the signature go on after `{opening}`?"
    return excerpt.draft(question, found.parameters[1:], found.segment, opening)


def name_of_signature(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the name before the quoted signature."""
    if not (found := _signature(excerpt, rng)):
        return None
    question = f"Which name has the signature `{found.parameters}`?"
    return excerpt.draft(question, found.name, found.segment, found.parameters)


def _assignment(excerpt: Excerpt, rng: np.random.Generator) -> tuple[CodeLine, re.Match[str]] | None:
    """Draw an assignment of one line whose name gets no other value."""
    found = [(line, match) for line in code_lines(excerpt.texts) if (match := _ASSIGNMENT.match(line.text))]
    names = Counter(match["name"] for _, match in found)

    def accept(one: tuple[CodeLine, re.Match[str]]) -> bool:
        name, value = one[1]["name"], one[1]["value"]
        is_balanced = all(value.count(a) == value.count(b) for a, b in ("()", "[]", "{}"))
        is_whole = is_balanced and not _UNFINISHED.search(value)
        return is_whole and names[name] == 1 and is_rare(name) and _can_quote(value) and name not in value

    return next(filter(accept, some_of(found, rng)), None)


def assigned_value(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the value that a name gets."""
    if not (found := _assignment(excerpt, rng)):
        return None
    line, match = found
    target = match["name"] + match["sign"].rstrip()
    return excerpt.draft(f"Which value comes after `{target}`?", match["value"], line.segment, target)


def assigned_name(excerpt: Excerpt, rng: np.random.Generator) -> Draft | None:
    """Ask for the name that gets a value."""
    if not (found := _assignment(excerpt, rng)):
        return None
    line, match = found
    return excerpt.draft(f"Which name is set to `{match['value']}`?", match["name"], line.segment, match["value"])
