"""What stands around the segments of an example: FILM's instruction text in a chat template, or in `[INST]`.

Invariant: `text()` is to the character what the model's own chat template gives for the conversation, and the
supervised part is the answer and its end-of-turn token, nothing else. The instruction text and the literal form
are facts of the released FILM-7B (paper, example 9; microsoft/FILM, README).
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from in2_plugin.corpus.tokenizer import ModelTokenizer
from in2_plugin.errors import TokenizerError
from in2_plugin.instruction import BEFORE_CONTEXT, BEFORE_QUESTION

INSTRUCTION = f"{BEFORE_CONTEXT}{{context}}{BEFORE_QUESTION}{{question}}"
# Found again in the rendered conversation, so they must survive a template's trimming.
_CONTEXT, _QUESTION, _ANSWER = "@@in2-context@@", "@@in2-question@@", "@@in2-answer@@"


@dataclass(frozen=True, slots=True)
class Template:
    """The fixed texts of a rendered example: `head CONTEXT middle QUESTION turn lead ANSWER end tail`."""

    head: str
    middle: str
    turn: str
    """From the question's end to where the model takes over: the user's turn ends, the assistant's begins."""
    lead: str
    """White space that the model writes before the answer, supervised; a space for Mistral, mostly empty."""
    end: str
    """The end-of-turn token, supervised."""
    tail: str
    """What the template puts after the end-of-turn token, not supervised; often empty or a newline."""

    def text(self, context: str, question: str, answer: str) -> str:
        """The rendered example."""
        return f"{self.head}{context}{self.middle}{question}{self.turn}{self.lead}{answer}{self.end}{self.tail}"

    def fingerprint(self) -> str:
        """Sixteen hex digits over the fixed texts."""
        fixed = "\0".join((self.head, self.middle, self.turn, self.lead, self.end, self.tail))
        return hashlib.sha256(fixed.encode()).hexdigest()[:16]


def make_template(kind: Literal["chat", "film"], tokenizer: ModelTokenizer) -> Template:
    """The template of a build file for a tokenizer.

    Raises:
        TokenizerError: the chat template is missing, alters the text put into it, or closes the answer with
            nothing that the model could learn to stop on.
    """
    return _film(tokenizer) if kind == "film" else _chat(tokenizer)


def _film(tokenizer: ModelTokenizer) -> Template:
    """FILM's literal form. It is not specific to Mistral's vocabulary, but made for it."""
    if not tokenizer.eos:
        raise TokenizerError(
            f"{tokenizer.name}: has no end-of-sequence token, which `template: film` ends an answer with"
        )
    instruction = INSTRUCTION.format(context=_CONTEXT, question=_QUESTION)
    prompt = f"{tokenizer.bos}[INST] {instruction} [/INST]"
    return _split(prompt, f"{prompt} {_ANSWER}{tokenizer.eos}", tokenizer)


def _chat(tokenizer: ModelTokenizer) -> Template:
    question = INSTRUCTION.format(context=_CONTEXT, question=_QUESTION)
    return _split(tokenizer.render_chat(question), tokenizer.render_chat(question, _ANSWER), tokenizer)


def _split(prompt: str, rendered: str, tokenizer: ModelTokenizer) -> Template:
    """Take a rendered conversation apart at its marks; `prompt` is what a model is given to answer."""
    parts: list[str] = []
    rest = rendered
    for mark in (_CONTEXT, _QUESTION, _ANSWER):
        if rest.count(mark) != 1:
            raise TokenizerError(
                f"{tokenizer.name}: its chat template does not show a user's or assistant's text as it is given; "
                "set `template: film` or repair the chat template"
            )
        before, rest = rest.split(mark)
        parts.append(before)
    end = _end_of_turn(rest, tokenizer)
    head, middle, turn = parts
    lead = rendered.partition(_ANSWER)[0].removeprefix(prompt)
    if not lead.isspace():  # nothing, or more than white space: an empty block of thoughts is not the model's to write
        lead = ""
    return Template(head, middle, turn.removesuffix(lead), lead, end, rest[len(end) :])


def _end_of_turn(closing: str, tokenizer: ModelTokenizer) -> str:
    """The text of the end-of-turn token: the first special token after the answer, with what stands before it."""
    encoding = tokenizer.encode(closing)
    for token, (_, stop) in zip(encoding.tokens, encoding.offsets, strict=True):
        if token in tokenizer.special_tokens:
            return closing[:stop]
    raise TokenizerError(
        f"{tokenizer.name}: its chat template ends an answer with {closing!r}, which holds no end-of-turn token, "
        "so a model would never learn to stop; set `template: film` or repair the chat template"
    )
