"""Format an example as text: FILM's instruction text in the model's chat template, or in literal `[INST]` form.

Invariant: `text()` equals the output of the model's own chat template, and only the answers are supervised, each with
its end-of-turn token. A template may format earlier turns differently from the last one (Qwen3 does), so the fixed
texts are computed for each number of turns.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from in2_plugin.corpus.tokenizer import ModelTokenizer, any_of
from in2_plugin.errors import TokenizerError
from in2_plugin.prompt_text import BEFORE_CONTEXT, BEFORE_INSTRUCTION, BEFORE_QUESTION

Turn = tuple[str, str]
"""(question, answer)"""
# located in the rendered conversation, so it must survive a template that strips white space
_CONTEXT = "@@in2-context@@"


@dataclass(frozen=True, slots=True)
class TurnTexts:
    """The fixed texts of one turn: `QUESTION turn lead ANSWER end after`."""

    turn: str
    """Between question and answer: end of the user turn, start of the assistant turn."""
    lead: str
    """White space that the model generates before the answer, supervised; a space for Mistral, usually empty."""
    end: str
    """The end-of-turn token, supervised."""
    after: str
    """Text up to the next question, or after the last end-of-turn token; not supervised."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the text after the context whose tokens do not depend on the rest."""

    separator: str
    """The special token that ends the section before; empty for the first section, which follows the context."""
    text: str
    answers: tuple[tuple[int, int], ...]
    """Supervised characters [start, stop) of its turns."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The fixed texts of a conversation: `head CONTEXT middle`, then its turns. Without a context `middle` is empty."""

    head: str
    middle: str
    turns: tuple[TurnTexts, ...]

    def after_context(self, turns: Sequence[Turn]) -> tuple[str, tuple[tuple[int, int], ...]]:
        """Return the text after the context, and the supervised characters [start, stop) of each turn in it."""
        parts, length, answers = [self.middle], len(self.middle), []
        for (question, answer), texts in zip(turns, self.turns, strict=True):
            supervised = f"{texts.lead}{answer}{texts.end}"
            start = length + len(question) + len(texts.turn)
            answers.append((start, start + len(supervised)))
            parts += [question, texts.turn, supervised, texts.after]
            length = start + len(supervised) + len(texts.after)
        return "".join(parts), tuple(answers)

    def section(self, place: int, turn: Turn, separator: str) -> Section:
        """Return the text of a turn up to its separator, with that between it and the turn before, or the context."""
        (question, answer), texts = turn, self.turns[place]
        before = self.turns[place - 1].after if place else self.middle
        start = len(before) + len(question) + len(texts.turn)
        text = f"{before}{question}{texts.turn}{texts.lead}{answer}{texts.end}"
        return Section(separator if place else "", text, ((start, len(text)),))

    def closing(self, separator: str) -> Section:
        """Return the text after the separator of the last turn."""
        return Section(separator, self.turns[-1].after, ())


class Template:
    """A chat template, or FILM's literal form, reduced to fixed texts."""

    def __init__(self, kind: Literal["chat", "film"], tokenizer: ModelTokenizer) -> None:
        """Compute the fixed texts of one turn.

        Raises:
            TokenizerError: the chat template is missing, alters its messages, or ends an answer without a special
                token.
        """
        if kind == "film" and not tokenizer.eos:
            raise TokenizerError(
                f"{tokenizer.name}: has no end-of-sequence token, which `template: film` needs after an answer"
            )
        self.kind = kind
        self._tokenizer = tokenizer
        self._special = any_of(tokenizer.special_tokens)
        self._frames: dict[tuple[int, bool], Frame] = {}
        self.frame(1, True)

    def __getstate__(self) -> dict[str, Any]:
        # a pickled template has no tokenizer, only the frames computed so far
        return {**self.__dict__, "_tokenizer": None}

    def frame(self, n_turns: int, has_context: bool) -> Frame:
        """Return the fixed texts of a conversation with `n_turns` turns, with or without a context.

        Raises:
            TokenizerError: the chat template cannot render so many turns, or ends them differently.
        """
        key = n_turns, has_context
        if key not in self._frames:
            self._frames[key] = self._make_frame(n_turns, has_context)
        return self._frames[key]

    def fixed_texts(self) -> list[str]:
        """Return the texts that the frames computed so far write around messages, the heads first."""
        heads = sorted({frame.head for frame in self._frames.values()})
        texts = {frame.middle for frame in self._frames.values()}
        for turn in (turn for frame in self._frames.values() for turn in frame.turns):
            texts |= {turn.turn, turn.end + turn.after}
        return [*heads, *sorted(texts.difference(heads, [""]))]

    def text(self, context: str | None, turns: Sequence[Turn]) -> str:
        """Return the rendered conversation."""
        frame = self.frame(len(turns), context is not None)
        return f"{frame.head}{context or ''}{frame.after_context(turns)[0]}"

    def messages(self, context: str | None, turns: Sequence[Turn]) -> list[dict[str, str]]:
        """Return the messages for a chat template, with FILM's instruction text in the first one."""
        return _messages(_openings(context, [question for question, _ in turns]), [answer for _, answer in turns])

    def spells_special_token(self, *texts: str) -> bool:
        """Return True if a text contains the spelling of a special token, which would end a turn."""
        return any(map(self._special.search, texts))

    def fingerprint(self) -> str:
        """Return sixteen hex digits of a hash of the fixed texts for one turn about a context."""
        frame = self.frame(1, True)
        (texts,) = frame.turns
        fixed = "\0".join((frame.head, frame.middle, texts.turn, texts.lead, texts.end, texts.after))
        return hashlib.sha256(fixed.encode()).hexdigest()[:16]

    def _make_frame(self, n_turns: int, has_context: bool) -> Frame:
        questions = [f"@@in2-question-{i}@@" for i in range(n_turns)]
        answers = [f"@@in2-answer-{i}@@" for i in range(n_turns)]
        openings = _openings(_CONTEXT if has_context else None, questions)
        rendered = self._rendered(openings, answers)
        marks = [mark for pair in zip(questions, answers, strict=True) for mark in pair]
        head, *between = self._split(rendered, [_CONTEXT, *marks] if has_context else marks)
        middle = between.pop(0) if has_context else ""
        turns = []
        for i in range(n_turns):
            prompt = self._rendered(openings[: i + 1], answers[:i])
            turns.append(self._turn(between[2 * i], between[2 * i + 1], prompt.partition(questions[i])[2]))
        self._require_one_end(turns)
        return Frame(head, middle, tuple(turns))

    def _require_one_end(self, turns: Sequence[TurnTexts]) -> None:
        ends = sorted({turn.end for turn in turns})
        if len(ends) > 1:
            raise TokenizerError(
                f"{self._tokenizer.name}: its chat template ends the last answer with {turns[-1].end!r} and an earlier "
                f"one with {turns[0].end!r}, so a model would learn two ends; set `questions_per_context: 1`, or fix "
                "the chat template"
            )

    def _rendered(self, openings: Sequence[str], answers: Sequence[str]) -> str:
        """Render a conversation; with one answer fewer than openings, it ends with the prompt for the model."""
        if self.kind == "chat":
            return self._tokenizer.render_chat(_messages(openings, answers))
        replies = [f" {answer}{self._tokenizer.eos}" for answer in answers] + [""] * (len(openings) - len(answers))
        return self._tokenizer.bos + "".join(
            f"[INST] {opening} [/INST]{answer}" for opening, answer in zip(openings, replies, strict=True)
        )

    def _split(self, rendered: str, marks: Sequence[str]) -> list[str]:
        """Split a rendered conversation at its marks."""
        places = [rendered.find(mark) for mark in marks]
        if places != sorted(places) or any(rendered.count(mark) != 1 for mark in marks):
            raise TokenizerError(
                f"{self._tokenizer.name}: its chat template alters the text of a message; "
                "set `template: film` or fix the chat template"
            )
        starts = [0, *(place + len(mark) for place, mark in zip(places, marks, strict=True))]
        return [rendered[start:stop] for start, stop in zip(starts, [*places, len(rendered)], strict=True)]

    def _turn(self, before: str, after: str, prompt: str) -> TurnTexts:
        """Return the fixed texts of a turn, from the texts before and after its answer and the end of its prompt."""
        end = self._end_of_turn(after)
        lead = before.removeprefix(prompt) if before.startswith(prompt) else ""
        if not lead.isspace():  # text such as an empty thinking block is not generated by the model
            lead = ""
        return TurnTexts(before.removesuffix(lead), lead, end, after[len(end) :])

    def _end_of_turn(self, closing: str) -> str:
        """Return the text after an answer up to and including the first special token."""
        encoding = self._tokenizer.encode(closing)
        for token, (_, stop) in zip(encoding.tokens, encoding.offsets, strict=True):
            if token in self._tokenizer.special_tokens:
                return closing[:stop]
        raise TokenizerError(
            f"{self._tokenizer.name}: its chat template ends an answer with {closing!r}, which contains no end-of-turn "
            "token, so the model would not learn to stop; set `template: film` or fix the chat template"
        )


def _openings(context: str | None, questions: Sequence[str]) -> list[str]:
    """Return the user messages; the first one contains FILM's instruction text."""
    before = BEFORE_INSTRUCTION if context is None else f"{BEFORE_CONTEXT}{context}{BEFORE_QUESTION}"
    return [before + questions[0], *questions[1:]]


def _messages(openings: Sequence[str], answers: Sequence[str]) -> list[dict[str, str]]:
    messages = []
    for i, opening in enumerate(openings):
        messages.append({"role": "user", "content": opening})
        messages += [{"role": "assistant", "content": answer} for answer in answers[i : i + 1]]
    return messages
