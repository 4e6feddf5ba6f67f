"""Split a completion into its answer and the numbers of the segments that it cites.

Invariants: thoughts are no part of the answer; the last line is read as citations only if the prompt asks for them, so
that an answer with brackets stays whole.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from in2_plugin.answer_text import answer_text, open_tag
from in2_plugin.prompt_text import CITING

Messages = Sequence[Mapping[str, Any]]
Text = str | Messages
"""A prompt or completion: plain text, or messages."""
# at most nine digits: Python refuses to read numbers of thousands of digits
_SOURCES = re.compile(r"(?:^|\n)[ \t]*sources:[ \t]*((?:\[[0-9]{1,9}\][ \t,;]*)+)\.?\s*\Z", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class CitedAnswer:
    """What a completion says."""

    answer: str
    """Without thoughts, citations and surrounding white space; empty if a thought never ends."""
    cited: frozenset[int] | None
    """Numbers of segments; None without a line of them, or if the prompt does not ask for one."""


def reply_of(prompt: Text, completion: Text) -> CitedAnswer:
    """Return the answer and the citations of a completion; a thought that the end of the prompt opens is a thought."""
    text = answer_text(_opened_by(prompt) + text_of(completion)) or ""
    found = _SOURCES.search(text) if asks_for_sources(prompt) else None
    if found is None:
        return CitedAnswer(text.strip(), None)
    return CitedAnswer(text[: found.start()].strip(), frozenset(map(int, _NUMBER.findall(found[1]))))


def asks_for_sources(prompt: Text) -> bool:
    """Return True if a prompt has numbered segments and asks for those with the answer."""
    # a plain prompt has the start of the assistant's turn after the question
    return CITING in prompt if isinstance(prompt, str) else text_of(prompt).endswith(CITING)


def _opened_by(prompt: Text) -> str:
    # the question of a user may end with a tag
    has_start = isinstance(prompt, str) or (len(prompt) > 0 and prompt[-1].get("role") == "assistant")
    return open_tag(text_of(prompt)) if has_start else ""


def text_of(written: Text) -> str:
    """Return plain text, or the text of the last message; images and the like have none."""
    if isinstance(written, str):
        return written
    content = written[-1].get("content") if written else None
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content)
    return content or ""
