"""Build the prompts that ask a language model for questions about a passage.

The rules are those of the paper's prompts I_f and I_r (arXiv 2404.16811, appendix), in our own words. Instructions come
first and the passage last, so that servers can cache the common prefix. User text is never formatted: `{context}` and
`{count}` are replaced in one pass, and all other braces stay.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal

from in2_plugin.questions.question import Kind

PROMPT_VERSION = 1
"""Increased when the wording of our prompts changes; part of the writer's name."""

_RULES = """\
Rules for the question:
- Every fact that is needed to answer it stands in the {source}; nothing has to be guessed or known from elsewhere.
- It asks about something that is particular to this {source}; what could be asked about any other is useless.
- It can be read in one way only, also by someone who has this {source} before them among hundreds of unrelated texts:
  name the person, place, product, study or function that is meant.
- It never points at where it comes from: no "according to the context", no "in the passage", no piece numbers.
Rules for the answer:
- It rests on what the {source} says, and on nothing else.
- It is phrased in your own words instead of being copied out; names, numbers and terms stay as they are.
Question and answer are in the language of the {source}.
"""

_OPENING = {
    Kind.FINE_GRAINED: "Read the text at the end and write {count} about a detail of it, with the answer.",
    Kind.INTEGRATION: "Read the numbered pieces at the end, which belong together, and write {count} with the answer. "
    "Answering must take facts from two or more of the pieces and a step of reasoning that joins them, for example a "
    "comparison, a cause, a sequence or a count; a question that a single piece answers is useless.",
}
_SOURCE = {Kind.FINE_GRAINED: "text", Kind.INTEGRATION: "material"}

_AGAIN = "Round %d: the plainest questions about this have been asked already; look for a less obvious one."
_JSON = 'Reply with JSON alone: {"questions": [{"question": "...", "answer": "..."%s}]}%s.'
_MARKERS = """Write it down in exactly this form%s:
### Question ###:
(the question)
### Answer ###:
(the answer)%s"""


def make_prompt(
    kind: Kind,
    texts: Sequence[str],
    count: int,
    answer_format: Literal["json_schema", "markers"],
    own: str | None,
    draw: int,
) -> str:
    """Return the prompt about one passage.

    Args:
        texts: segments of the passage in document order; numbered from 1 for integration.
        count: number of questions to ask for.
        own: the user's prompt, which contains `{context}`, or None for ours.
        draw: number of earlier requests about this passage.
    """
    context = texts[0] if kind is Kind.FINE_GRAINED else "\n\n".join(f"[{i}] {text}" for i, text in enumerate(texts, 1))
    how = _how_to_answer(kind, count, answer_format)
    again = f"{_AGAIN % (draw + 1)}\n\n" if draw else ""
    if own is not None:
        return f"{_fill(own, context, str(count))}\n\n{again}{how}"
    several = "one question" if count == 1 else f"{count} questions, each about something else,"
    source = _SOURCE[kind]
    rules = f"{_OPENING[kind].replace('{count}', several)}\n\n{_RULES.replace('{source}', source)}"
    return f"{rules}\n{again}{how}\n\n{source.capitalize()}:\n{context}"


def _fill(prompt: str, context: str, count: str) -> str:
    # one pass, so that "{count}" inside a passage is not replaced
    values = {"{context}": context, "{count}": count}
    return re.sub(r"\{context\}|\{count\}", lambda found: values[found[0]], prompt)


def _how_to_answer(kind: Kind, count: int, answer_format: str) -> str:
    several = "" if count == 1 else f", with {count} entries"
    if answer_format == "json_schema":
        pieces = ', "pieces": [1, 3]' if kind is Kind.INTEGRATION else ""
        note = "; `pieces` are the numbers of those that the answer needs" if pieces else ""
        return _JSON % (pieces, several + note)
    pieces = "\n### Pieces ###:\n(numbers of the pieces that the answer needs, like 1, 3)"
    return _MARKERS % ("" if count == 1 else f", {count} times", pieces if kind is Kind.INTEGRATION else "")


def retry_prompt(prompt: str, reason: str) -> str:
    """Return the prompt that follows an unreadable answer."""
    return f"{prompt}\n\nAn earlier answer to this could not be used: {reason}. Keep to the form that was asked for."


def response_format(kind: Kind) -> dict[str, Any]:
    """Return the `response_format` of the chat completions API: a strict JSON schema.

    It does not limit the number of entries: OpenAI's strict mode accepts `minItems` and `maxItems` by now, but other
    servers (for example Bedrock) answer 400.
    """
    properties: dict[str, Any] = {"question": {"type": "string"}, "answer": {"type": "string"}}
    if kind is Kind.INTEGRATION:
        properties["pieces"] = {"type": "array", "items": {"type": "integer"}}
    entry = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    schema = {
        "type": "object",
        "properties": {"questions": {"type": "array", "items": entry}},
        "required": ["questions"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "questions", "strict": True, "schema": schema}}
