"""A position probe invented for tests: one book per shelf, asked for by its shelf. It has all controls."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from in2_plugin.probing.position.latin_square import latin_square
from in2_plugin.probing.position.options import PositionOptions
from in2_plugin.probing.position.probe import Control, PositionProbe, PositionQuestion
from in2_plugin.probing.probes.tokens import TokenCounter


class ShelfOptions(PositionOptions):
    probe_depths: int = Field(default=5, ge=1)
    probe_length: int = 512


@dataclass(frozen=True)
class Shelves:
    questions: Sequence[PositionQuestion]
    contexts: Sequence[str]
    control: Control

    def prompt(self, question: PositionQuestion) -> str:
        context = {"": self.contexts[question.context], "closed_book": "", "gold_only": _line(question.question)}
        return f"{context[self.control]}\n{question.text}"

    def digest(self) -> str:
        return hashlib.sha256("".join(self.contexts).encode()).hexdigest()[:16]


def _book(shelf: int) -> str:
    return f"book-{shelf * 7919 % 1009}"


def _line(shelf: int) -> str:
    return f"Shelf {shelf} holds {_book(shelf)}."


def _load(lm_eval_args: Mapping[str, Any], control: Control, tokens: TokenCounter) -> Shelves:
    options = ShelfOptions.of(lm_eval_args, "shelves")
    n = options.probe_depths
    square = latin_square(n, n)
    contexts = [" ".join(_line(there[0]) for there in context) for context in square]
    places = [(q, q, 0) for q in range(n)] if control else [(q, r, (q + r) % n) for r in range(n) for q in range(n)]
    questions = [
        PositionQuestion(
            q, r, options.probe_length, depth, 1 if control else n, "fine_grained", f"What is on shelf {q}?",
            (_book(q),), str(q), _book((q + 1) % n), () if control else ((depth + 0.5) / n,),
        )
        for q, r, depth in places
    ]  # fmt: skip
    return Shelves(questions, contexts, control)


def _exact(gold: tuple[str, ...], answer: str) -> float:
    return float(gold[0] in answer)


SHELVES = PositionProbe("shelves", "Shelves", _load, _exact, options=ShelfOptions, max_gen_toks=16)
