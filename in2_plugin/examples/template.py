"""What stands around the segments, questions and answers of an example: FILM's instruction text in a chat template,
or in `[INST]`.

Invariant: `text()` is to the character what the model's own chat template gives for the conversation, and the
supervised parts are the answers, each with its end-of-turn token, and nothing else. Templates may write an earlier turn
otherwise than the last one (Qwen3 does), so the fixed texts are found anew for every number of turns.
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
# Found again in the rendered conversation, so they must survive a template's trimming.
_CONTEXT = "@@in2-context@@"


@dataclass(frozen=True, slots=True)
class TurnTexts:
    """The fixed texts of one turn: `QUESTION turn lead ANSWER end after`."""

    turn: str
    """From the question's end to where the model takes over: the user's turn ends, the assistant's begins."""
    lead: str
    """White space that the model writes before the answer, supervised; a space for Mistral, mostly empty."""
    end: str
    """The end-of-turn token, supervised."""
    after: str
    """Up to the next question, or what the template puts after the last end-of-turn token; not supervised."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The fixed texts of a conversation: `head CONTEXT middle`, then its turns. Without a context `middle` is empty."""

    head: str
    middle: str
    turns: tuple[TurnTexts, ...]

    def behind_context(self, turns: Sequence[Turn]) -> tuple[str, list[tuple[int, int]]]:
        """Everything behind the context, and where in it the supervised characters [start, stop) of each turn are."""
        parts, length, answers = [self.middle], len(self.middle), []
        for (question, answer), texts in zip(turns, self.turns, strict=True):
            said = f"{texts.lead}{answer}{texts.end}"
            start = length + len(question) + len(texts.turn)
            answers.append((start, start + len(said)))
            parts += [question, texts.turn, said, texts.after]
            length = start + len(said) + len(texts.after)
        return "".join(parts), answers


class Template:
    """A chat template, or FILM's literal form, as fixed texts."""

    def __init__(self, kind: Literal["chat", "film"], tokenizer: ModelTokenizer) -> None:
        """Find the fixed texts.

        Raises:
            TokenizerError: the chat template is missing, alters the text put into it, or closes the answer with
                nothing that the model could learn to stop on.
        """
        if kind == "film" and not tokenizer.eos:
            raise TokenizerError(
                f"{tokenizer.name}: has no end-of-sequence token, which `template: film` ends an answer with"
            )
        self.kind = kind
        self._tokenizer = tokenizer
        self._special = any_of(tokenizer.special_tokens)
        self._frames: dict[tuple[int, bool], Frame] = {}
        self.frame(1, True)

    def __getstate__(self) -> dict[str, Any]:
        # a worker process has no chat template, only the frames that were asked for before
        return {**self.__dict__, "_tokenizer": None}

    def frame(self, n_turns: int, has_context: bool) -> Frame:
        """The fixed texts of a conversation of so many turns, with or without a context."""
        key = n_turns, has_context
        if key not in self._frames:
            self._frames[key] = self._make_frame(n_turns, has_context)
        return self._frames[key]

    def heads(self) -> list[str]:
        """How a conversation may begin, of the numbers of turns that were asked for so far."""
        return sorted({frame.head for frame in self._frames.values()})

    def text(self, context: str | None, turns: Sequence[Turn]) -> str:
        """The rendered conversation."""
        frame = self.frame(len(turns), context is not None)
        return f"{frame.head}{context or ''}{frame.behind_context(turns)[0]}"

    def messages(self, context: str | None, turns: Sequence[Turn]) -> list[dict[str, str]]:
        """The conversation as a chat template takes it, FILM's instruction text in its first message."""
        return _messages(_openings(context, [question for question, _ in turns]), [answer for _, answer in turns])

    def spells_special_token(self, *texts: str) -> bool:
        """Whether one of the texts spells a special token, which would end a turn where none ends."""
        return any(map(self._special.search, texts))

    def fingerprint(self) -> str:
        """Sixteen hex digits over the fixed texts of one turn about a context."""
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
        return Frame(head, middle, tuple(turns))

    def _rendered(self, openings: Sequence[str], answers: Sequence[str]) -> str:
        """A conversation; one answer fewer than openings: what the model is given to answer."""
        if self.kind == "chat":
            return self._tokenizer.render_chat(_messages(openings, answers))
        said = [f" {answer}{self._tokenizer.eos}" for answer in answers] + [""] * (len(openings) - len(answers))
        return self._tokenizer.bos + "".join(
            f"[INST] {opening} [/INST]{answer}" for opening, answer in zip(openings, said, strict=True)
        )

    def _split(self, rendered: str, marks: Sequence[str]) -> list[str]:
        """Take a rendered conversation apart at its marks."""
        places = [rendered.find(mark) for mark in marks]
        if places != sorted(places) or any(rendered.count(mark) != 1 for mark in marks):
            raise TokenizerError(
                f"{self._tokenizer.name}: its chat template does not show a user's or assistant's text as it is given; "
                "set `template: film` or repair the chat template"
            )
        starts = [0, *(place + len(mark) for place, mark in zip(places, marks, strict=True))]
        return [rendered[start:stop] for start, stop in zip(starts, [*places, len(rendered)], strict=True)]

    def _turn(self, before: str, behind: str, prompted: str) -> TurnTexts:
        """The texts of a turn from what stands before and behind its answer, and what a prompt ends with there."""
        end = self._end_of_turn(behind)
        lead = before.removeprefix(prompted) if before.startswith(prompted) else ""
        if (
            not lead.isspace()
        ):  # nothing, or more than white space: an empty block of thoughts is not the model's to write
            lead = ""
        return TurnTexts(before.removesuffix(lead), lead, end, behind[len(end) :])

    def _end_of_turn(self, closing: str) -> str:
        """The text of the end-of-turn token: the first special token after the answer, with what stands before it."""
        encoding = self._tokenizer.encode(closing)
        for token, (_, stop) in zip(encoding.tokens, encoding.offsets, strict=True):
            if token in self._tokenizer.special_tokens:
                return closing[:stop]
        raise TokenizerError(
            f"{self._tokenizer.name}: its chat template ends an answer with {closing!r}, which holds no end-of-turn "
            "token, so a model would never learn to stop; set `template: film` or repair the chat template"
        )


def _openings(context: str | None, questions: Sequence[str]) -> list[str]:
    """What the user says in each turn: the first carries FILM's instruction text."""
    before = BEFORE_INSTRUCTION if context is None else f"{BEFORE_CONTEXT}{context}{BEFORE_QUESTION}"
    return [before + questions[0], *questions[1:]]


def _messages(openings: Sequence[str], answers: Sequence[str]) -> list[dict[str, str]]:
    messages = []
    for i, opening in enumerate(openings):
        messages.append({"role": "user", "content": opening})
        messages += [{"role": "assistant", "content": answer} for answer in answers[i : i + 1]]
    return messages
