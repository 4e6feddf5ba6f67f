"""Find the answer in the text of a reasoning model: what follows its thoughts. Used for questions, judges and probes.

Invariant: nothing inside thoughts is taken for an answer. Servers that know the model's format send thoughts in a
separate field; this is for those that leave them in the text.
"""

import json
import re

_TAG = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>|\[(/?)THINK\]", re.IGNORECASE)
_LAST_TAG = re.compile(rf"(?:{_TAG.pattern})\s*\Z", re.IGNORECASE)
_FENCE = re.compile(r"\s*(?:```\w*\s*)?")


def answer_text(text: str) -> str | None:
    """Return the text after the last thought, all of it without thoughts, or None if a thought never ends.

    The tags are `<think>`, `<thinking>`, `<thought>`, `<reasoning>` and `[THINK]`, in any case. Some chat templates
    contain the opening tag, so that only the closing tag arrives. A tag within JSON that starts the text, or that
    follows a thought immediately, belongs to the answer.
    """
    start, is_open = 0, False
    skip_to = _end_of_json(text, start)
    for tag in _TAG.finditer(text):
        if tag.start() < skip_to:
            continue
        is_open = not (tag[1] or tag[2])
        if not is_open:
            start = tag.end()
            skip_to = _end_of_json(text, start)
    return None if is_open else text[start:]


def open_tag(prompt: str) -> str:
    """Return the opening tag at the end of a prompt, which its completion does not repeat; empty without one."""
    tag = _LAST_TAG.search(prompt)
    return "" if tag is None or tag[1] or tag[2] else tag[0]


def _end_of_json(text: str, start: int) -> int:
    """Return the end of the JSON that follows `start`, perhaps after a code fence; `start` without JSON."""
    opening = _FENCE.match(text, start)
    at = opening.end() if opening else start
    if text[at : at + 1] not in {"{", "["}:
        return start
    try:
        return json.JSONDecoder(strict=False, parse_int=str).raw_decode(text, at)[1]
    except (ValueError, RecursionError):
        return start
