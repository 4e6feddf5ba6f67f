"""Recognise definitions in code: names of functions and classes, the lines in their bodies, signatures.

A body is known by its indentation, so that Python and languages with braces are read in the same way. Invariant: a line
has an owner only if it is certain; blocks of unknown calls, macros and strings of several lines have none. Cost: about
6 µs per line.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

MAX_HEADER = 500
"""Characters of a header; longer statements are data."""
FIRST = -1
"""Indentation of a header on the first line of a segment, until its body shows more."""

STRING = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""")
_KEYWORDS = (
    r"(?!(?:if|elif|except|for|while|switch|catch|return|else|foreach|synchronized|using|lock|with|until|match|when|"
    r"func|function|fn)\b)"
)
_HEADER = re.compile(
    rf"""  (?:(?:export|default|public|private|protected|internal|abstract|final|static|sealed|data|case|open|pub)\ )*
           (?: (?:class|interface|struct|enum(?:\ class)?|trait)\ (?P<type>(?!class\b)[A-Za-z_][\w.]*)
               (?=\s*(?:[(<\[{{]|:(?!:))|\ (?:extends|implements|with|final|where|permits|derives)\b)
             | (?:(?:async\ )?def|fn|fun|(?:async\ )?function\*?|func(?:\ \([^)]*\))?)\ (?P<function>[A-Za-z_][\w.]*)
               (?=\s*(?:[(<\[:{{])) )
         | (?:(?:export|default)\ )*(?:const|let|var)\ (?P<arrow>\w+)\ =\ (?:async\ )?
           (?:function\b.*|(?:\([^)]*\)|\w+)\ =>\ ?)\{{$
         | (?P<words>(?:[\w<>\[\],*&:.?@]+\ )*)[*&]*
           {_KEYWORDS}(?P<plain>(?:\w+::)*~?[A-Za-z_]\w*)\ ?\([^;{{}}]*\)[^;(){{}}=]*\{{$
    """,
    re.VERBOSE,
)
_NO_TYPE = re.compile(
    r"\b(?:new|return|throw|yield|await|go|defer|do|else|in|is|not|and|or|val|var|let|by|case|import|task|if|for|while)\b"
)
"""Before the name in a call, where a type is before it in a definition."""
_MACRO = re.compile(r"[A-Z][A-Z0-9_]*$")
_CONTROL = re.compile(
    r"(?:\}\s*)?(?:if|elif|else|for|foreach|while|loop|do|try|catch|except|finally|switch|select|match|when|case|default|"
    r"with|using|lock|synchronized|guard|unless|until|unsafe|extern)\b"
)
"""Begins a block that is no function or class."""
_CONTINUES = re.compile(r"[:,.?+=]|&&|\|\||->|(?:throws|extends|implements|where|noexcept|override)\b")
"""Begins a line that goes on with the statement of the line above."""
_STARTS = re.compile(r"(?:async\ )?(?:def|class|func|fn|function|public|private|protected)\b")
"""Begins a statement, even if a bracket seems to be open."""
_FLOATING = re.compile(r"\#|//|/\*|(?!(?:try|else|finally):)\w+:$")
"""Comments, directives of a preprocessor and labels, whose indentation says nothing."""
_TRIPLE = re.compile(r"\"{3}|'{3}")
_OPENS_STRING = re.compile(r"(?:[=(\[{,:+%]|\breturn|\byield)?\s*[rbfuRBFU]{0,2}$")
_SIGNATURE = re.compile(
    r"""(?: (?:(?:export|public|private|protected|static|final|pub|async|virtual|inline)\ )*
            (?P<keyword>(?:def|function\*?|fn|fun|func(?:\ \([^)]*\))?)\ )
          | (?:KEYWORDS[A-Za-z_]\w*[\ *]+){0,3}
        )
        (?P<name>KEYWORDS[A-Za-z_][\w.]*)
        (?P<parameters>\((?:[^()]|\([^()]*\))*\)(?:\ ->\ [^:{]+)?)
        (?P<end>\s*[:{]$|:\s)
    """.replace("KEYWORDS", _KEYWORDS),
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Signature:
    """A function or class with its parameters, where it is defined or explained, on one line."""

    segment: int
    name: str
    parameters: str
    """With their brackets, and the type of the result if it follows."""


@dataclass(frozen=True, slots=True)
class _Body:
    """What the lines below a header belong to, as long as their indentation is larger."""

    indent: int
    """Of the header."""
    name: str | None
    """None if it is unknown whether the header defines a function."""
    is_class: bool = False


def signatures(texts: Sequence[str]) -> list[Signature]:
    """Return the signatures in code, and those that a reference explains (`name(a, b): Return ...`)."""
    return [Signature(segment, *found) for segment, text in enumerate(texts) for found in _signatures_of(text)]


@lru_cache(maxsize=512)
def _signatures_of(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (found["name"], found["parameters"])
        for line in text.split("\n")
        # an explanation follows in a reference, nothing in code: `if x(y):` is neither
        if "(" in line
        and (found := _SIGNATURE.match(line.strip()))
        and bool(found["keyword"]) != (found["end"] == ": ")
    )


def _bodies_of(header: str, indent: int, *, in_class: bool) -> list[_Body]:
    """Return the body that a statement opens; none if it opens none, or that of a loop or condition.

    Args:
        in_class: the statement is directly in a class, where a method may have no type before its name.
    """
    found = _HEADER.match(header) if len(header) <= MAX_HEADER else None
    name = found and (found["type"] or found["function"] or found["arrow"])
    if found and name and header.endswith((":", "{")) and _depth(header) <= 0:
        return [_Body(indent, name, is_class=bool(found["type"]))]
    if not header.endswith("{") or _CONTROL.match(header):
        return []
    is_known = found is not None and found["plain"] and _is_definition(found, in_class)
    return [_Body(indent, found["plain"] if found and is_known else None)]


def _is_definition(found: re.Match[str], in_class: bool) -> bool:
    """Tell `int push(int x) {` from `foreach(x) {`."""
    is_typed = bool(found["words"]) and not _NO_TYPE.search(found["words"])
    is_method = not found["words"] and (in_class or found["plain"] == "constructor" or "::" in found["plain"])
    return (is_typed or is_method) and not _MACRO.match(found["plain"])


def owners(lines: Sequence[str]) -> list[str | None]:
    """Return for each line the name of the innermost function or class with the line in its body, or None.

    The segmentation removes the indentation of the first line, so a definition there reaches as far as its body.
    """
    found: list[str | None] = []
    bodies: list[_Body] = []
    statement, start, depth = "", 0, 0  # with its indentation, and the brackets that are open in it
    for number, (line, in_string) in enumerate(zip(lines, _in_strings(lines), strict=True)):
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if not text or in_string:
            found.append(None)
            depth = depth if text else 0
            continue
        if _FLOATING.match(text):
            found.append(bodies[-1].name if bodies and indent > bodies[-1].indent else None)
            continue
        _close(bodies, text, indent)
        goes_on = text == "{" or _CONTINUES.match(text) or (depth > 0 and not _STARTS.match(text))
        found.append(bodies[-1].name if bodies and not (goes_on and text.endswith("{")) else None)
        if text == "{" or not goes_on:
            start = indent if number else FIRST
        statement, depth = f"{statement} {text}" if goes_on else text, (depth if goes_on else 0) + _depth(text)
        if depth <= 0 or text.endswith("{"):
            depth = 0
            bodies += _bodies_of(statement, start, in_class=bool(bodies) and bodies[-1].is_class)
    return found


def _close(bodies: list[_Body], text: str, indent: int) -> None:
    """Remove the bodies that a line is not in, and find out how far that of the first line reaches."""
    if bodies and bodies[-1].indent == FIRST and not text.startswith("}"):
        bodies[-1] = replace(bodies[-1], indent=indent - 1)
    while bodies and (indent <= bodies[-1].indent or bodies[-1].indent == FIRST):
        bodies.pop()


def _depth(text: str) -> int:
    bare = STRING.sub("", text)
    return bare.count("(") + bare.count("[") - bare.count(")") - bare.count("]")


def _in_strings(lines: Sequence[str]) -> Iterator[bool]:
    """Yield for each line whether it begins inside a string of several lines; so may the segment."""
    quote = _quote_at_start(lines)
    for line in lines:
        yield bool(quote)
        for mark in _TRIPLE.findall(line):
            quote = "" if mark == quote else quote or mark


def _quote_at_start(lines: Sequence[str]) -> str:
    """Return the quotation marks that the first of their kind close, or an empty string if they open a string."""
    above = ""
    for line in lines:
        if found := _TRIPLE.search(line):
            before, after = line[: found.start()].strip(), line[found.end() :].strip()
            if before:
                opens = _OPENS_STRING.search(before) is not None
            else:
                opens = after[:1] not in {")", ",", ".", ";", "]"} if after else above[-1:] in ("", *":(=,[{")
            return "" if opens else found[0]
        above = line.strip() or above
    return ""
