"""Recognise code in a segment: fenced and indented blocks, interpreter sessions, source files of common languages.

A segment begins and ends anywhere in its document, so nothing is parsed. Lines are judged one by one, and a run of
lines that look like code is a block. Invariant: the text of a line is a slice of its segment, without its indentation.
Cost: about 10 µs per line.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from in2_plugin.questions.extractive.definitions import STRING, owners

MIN_CODE_LINES = 3
"""Lines that look like code in a block; a single one may be prose with a semicolon at its end."""
CERTAIN = {"code", "fenced", "prompt"}
"""Kinds of lines that make a block."""
MAX_LINE = 300
"""Characters; longer lines are paragraphs or data."""
MAX_BLANK_LINES = 2
"""Blank lines inside a block; PEP 8 puts two between functions."""

_BRACKETS = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}")
_PROSE = re.compile(r"(?:\b[A-Za-z’']+[,;]? ){5}[A-Za-z]|[\u3400-\u9fff]{6}")
_PROMPT = re.compile(r"(?:>>>|\.\.\.|In \[\d+\]:) |\$ \w")
_FENCE = re.compile(r"(?:`{3,}|~{3,})\s*\{?\.?([\w+#-]*)")
_DATA_LANGUAGES = {"", "text", "txt", "plain", "markdown", "md", "rst", "csv", "tsv", "json", "jsonl", "yaml", "yml"}
_NEUTRAL = re.compile(r"""(?:\#|//|/\*|\*/|--\ )|[rbuf]{0,2}["']|[\])}]+[,;)]*$|[\w.*]+,$""", re.VERBOSE)
_CODE = re.compile(
    r"""(?:
          @[\w.]+(?:\(.*\))?$
        | (?:(?:async\ )?def|class|func|fn|function|fun|sub)\b.*[:({,]$
        | (?:from\ [\w.]+\ )?import\ [\w.*{"(]+.*$ | \#include\ [<"] | (?:using|package|use)\ [\w.:{}, *]+;?$
        | (?:if|elif|for|while|with|except|match|case|switch|async|unless|foreach)\b.*[:{]$
        | (?:\}\ *)?(?:else|try|finally|do|begin)\s*[:{]$ | (?:pass|break|continue|return|end|endif|fi|done);?$
        | (?:return|yield|raise|throw|assert|del|await|global|nonlocal|echo|export|print)\b\ ?\S.*[^.:?!]$
        | [\w.:>-]+\(.*\)(?:\.\w+\(.*\))*[;,]?$ | [\w.:>-]+\($ | \S+(?:\ \S+)?[;{}]$ | \}.*
        | (?:pip3?|python3?|git|docker|sudo|apt|npm|cargo|make|cd|curl|conda|uv)\ [-\w./]+
        )
    """,
    re.VERBOSE,
)
_ASSIGNMENT = re.compile(
    r"""[\w.\[\]"'(),*&> -]{1,60}?(?::\s*[\w.\[\], |"']+?)? ?(?:[-+*/|&%^:]|//|\*\*|<<|>>)?= ?[^=\s].*$"""
)
_MARKS = set("(){}=<>[]")
"""Before the semicolon or brace at the end of a line of code."""


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A non-blank line of a block of code."""

    segment: int
    number: int
    """Index among the lines of the segment, blank ones included."""
    text: str
    owner: str | None
    """Name of the innermost function or class around the line, if it is certain and begins in the segment."""
    block: int
    """Index of the block in the segment."""


def code_lines(texts: Sequence[str]) -> list[CodeLine]:
    """Return the lines of all blocks of code in `texts`, in reading order."""
    return [
        CodeLine(segment, number, line, owner, block)
        for segment, text in enumerate(texts)
        for number, line, owner, block in _lines_of(text)
    ]


def code_numbers(text: str) -> list[int]:
    """Return the indices of the lines of a text that are code."""
    return [number for number, _, _, _ in _lines_of(text)]


@lru_cache(maxsize=512)
def _lines_of(text: str) -> tuple[tuple[int, str, str | None, int], ...]:
    lines = text.split("\n")
    blocks = list(_blocks(lines))
    if not blocks:
        return ()
    around = owners(lines)
    return tuple(
        (number, lines[number].strip(), around[number], index)
        for index, block in enumerate(blocks)
        for number in block
        if lines[number].strip()
    )


def looks_like_code(line: str) -> bool:
    """Return True when a line, without its indentation, is more likely code than prose or data."""
    if _PROMPT.match(line):
        return True
    if len(line) > MAX_LINE:
        return False
    bare = STRING.sub('""', line)
    if bare.startswith(('{"', '{ "')):  # an object of JSON lines
        return False
    is_code = (
        _CODE.match(bare)
        or ("=" in bare and _ASSIGNMENT.match(bare))
        or (bare.endswith((";", "{", "}")) and not _MARKS.isdisjoint(bare[:-1]))
    )
    return bool(is_code) and not _PROSE.search(_BRACKETS.sub("()", bare))


def _blocks(lines: Sequence[str]) -> Iterator[range]:
    """Yield the line numbers of each block: runs without prose, begun and ended by a line that looks like code."""
    kinds = list(_kinds(lines))
    if CERTAIN.isdisjoint(kinds):
        return
    for is_code, run in groupby(range(len(lines)), key=lambda i: kinds[i] != "other"):
        numbers = list(run)
        certain = [i for i in numbers if kinds[i] in CERTAIN]
        if is_code and _is_block([kinds[i] for i in certain]):
            yield range(certain[0], certain[-1] + 1)


def _is_block(kinds: Sequence[str]) -> bool:
    return len(kinds) >= MIN_CODE_LINES or "prompt" in kinds or "fenced" in kinds


def _kinds(lines: Sequence[str]) -> Iterator[str]:
    """Yield for each line: code, fenced (in a block that names a language), prompt, neutral, or other."""
    fenced, is_code_fence, blank, last = False, False, 0, ""
    for line in map(str.strip, lines):
        blank = 0 if line else blank + 1
        if fence := _FENCE.match(line):
            fenced = not fenced
            is_code_fence = fenced and fence[1].lower() not in _DATA_LANGUAGES
            kind = "other"
        elif not line:
            kind = "neutral" if blank <= MAX_BLANK_LINES else "other"
        elif _PROMPT.match(line):
            kind = "prompt"
        elif is_code_fence:
            kind = "fenced"
        elif looks_like_code(line):
            kind = "code"
        elif _NEUTRAL.match(line) or last in ("prompt", "output"):
            kind = "output" if last in ("prompt", "output") else "neutral"
        else:
            kind = "other"
        yield kind
        last = kind
