"""NoLiMa (arXiv 2502.05167): needles whose questions share no words with them, in books, from the authors' files.

The files (adobe-research/NoLiMa; amodaresi/NoLiMa on the hub) are for noncommercial research and are not shipped.
Prompt, placement at the end of a line, and score are those of evaluation/run_tests.py, data/book_haystack.py and
evaluation/async_evaluate.py; 192 tokens are generated (evaluation/model_configs). Theirs moves the book under the
needle to hit a depth exactly and draws a character per depth; here the book starts at its first line and the character
is the same at every depth. Invariant: the prompts of a question differ in the depth of the needle alone.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from in2_plugin.errors import ProbeError
from in2_plugin.probing.position.haystack import Haystack, Needle, collect_units, how_many_fit
from in2_plugin.probing.position.nolima_files import CHARACTER, HOW_TO_GET, HUB_ID, Book, HiddenFact, read_nolima
from in2_plugin.probing.position.options import PositionOptions
from in2_plugin.probing.position.probe import Control, PositionProbe, PositionQuestion
from in2_plugin.probing.probes.tokens import TokenCounter
from in2_plugin.probing.scoring.answers import best_recall

NEW_TOKENS = 192
_PLACE = "\0"
"""Marks the place of the book in a filled template."""
_SLACK = 4
"""Tokens by which two depths may differ, because tokens merge across the ends of the needle."""


class NolimaOptions(PositionOptions):
    """Options of `nolima`."""

    probe_data: str = HUB_ID
    """Dataset on the hub, or the authors' folder `data` with `needlesets` and `haystack/rand_shuffle`."""
    probe_needle_set: str = "needle_set"
    """A file of `needlesets` without its extension, such as `needle_set_hard`."""
    probe_length: int = Field(default=8_192, ge=256)
    """Tokens of the longest prompt, chat template and generated tokens included."""
    probe_questions: int | None = Field(default=None, ge=1)
    """Different questions: a question and its needle in one book; all of them when absent."""
    probe_depths: int = Field(default=10, ge=2)
    """Depths of each needle, evenly spaced from the first line to the last; the authors have 26."""
    probe_seed: int = 0
    """Another seed draws other characters."""


@dataclass(frozen=True, slots=True)
class NolimaItem:
    """One fact with its character in one book."""

    book: int
    needle: str
    question: str
    frame: tuple[str, str]
    """The prompt before and after the book."""
    gold: tuple[str, ...]
    other: str
    """Another character; empty if there is none."""

    def prompt(self, context: str) -> str:
        return context.join(self.frame)


@dataclass(frozen=True, slots=True)
class NolimaPrompts:
    """The prompts of one run."""

    options: NolimaOptions
    books: tuple[Haystack, ...]
    items: tuple[NolimaItem, ...]
    questions: tuple[PositionQuestion, ...]
    data_digest: str
    """Of the whole books, because the tokenizer decides how much of them is in a context."""

    def prompt(self, question: PositionQuestion) -> str:
        item = self.items[question.question]
        needle = Needle(question.depth, item.needle)
        return item.prompt(self.books[item.book].place([needle], question.n_depths)[0])

    def digest(self) -> str:
        shape = f"{self.data_digest} {self.options.probe_length} {self.options.probe_depths}"
        items = (f"{item.book} {item.needle} {item.prompt(item.question)} {item.gold}" for item in self.items)
        return hashlib.sha256("\0".join((shape, *items)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def contains_any(gold: tuple[str, ...], answer: str) -> float:
    """Return 1 if the answer contains one of the gold texts; case matters (metric `contains` of async_evaluate.py)."""
    return float(any(text in answer for text in gold))


def load_nolima(lm_eval_args: Mapping[str, Any], control: Control, tokens: TokenCounter) -> NolimaPrompts:
    """Read the authors' needles and books, and put every needle at every depth.

    Raises:
        ConfigError: an option is unknown or out of bounds.
        ProbeError: a file is missing, is not in the authors' format, or a book is too short.
    """
    options = NolimaOptions.of(lm_eval_args, "nolima")
    facts, books = read_nolima(options.probe_data, options.probe_needle_set)
    items = _items(facts, len(books), options)
    filled = tuple(
        _fill(book, [item for item in items if item.book == number], options, tokens)
        for number, book in enumerate(books)
    )
    questions = (
        question for number, item in enumerate(items) for question in _questions(number, item, filled, options)
    )
    digest = hashlib.sha256("\0".join(book.text for book in books).encode("utf-8", "surrogatepass")).hexdigest()
    return NolimaPrompts(options, filled, items, tuple(questions), digest)


def _items(facts: Sequence[HiddenFact], n_books: int, options: NolimaOptions) -> tuple[NolimaItem, ...]:
    """Return facts and books so that the first questions are about different facts, and use all books."""
    there = len(facts) * n_books
    n = there if options.probe_questions is None else options.probe_questions
    if n > there:
        raise ProbeError(
            f"probe_questions={n}, but {len(facts)} questions in {n_books} books make only {there}; "
            "lower it or leave it out"
        )
    places = (divmod(number, len(facts)) for number in range(n))
    return tuple(_item(facts[fact], (turn + fact) % n_books, options.probe_seed) for turn, fact in places)


def _item(fact: HiddenFact, book: int, seed: int) -> NolimaItem:
    gold, others, needle, question = fact.answers, fact.characters, fact.needle, fact.question
    if CHARACTER in needle:
        # Random hashes a string by its digits, not with hash(): the same draw in every process
        drawn = random.Random(f"nolima {seed} {book} {needle} {question}").sample(others, len(others))
        gold, others = tuple(drawn[:1]), tuple(drawn[1:])
        needle, question = (text.replace(CHARACTER, "".join(gold)) for text in (needle, question))
    if not all(gold) or not gold:
        raise ProbeError(f"{fact.place}: has neither `character_set` nor `gold_answers`; {HOW_TO_GET}")
    try:
        before, after = fact.template.format(haystack=_PLACE, question=question).split(_PLACE)
    except (ValueError, LookupError):
        raise ProbeError(
            f"{fact.place}: `task_template` must have one {{haystack}}, {{question}} and no other field; {HOW_TO_GET}"
        ) from None
    return NolimaItem(book, needle, question, (before, after), gold, others[0] if others else "")


def _fill(book: Book, items: Sequence[NolimaItem], options: NolimaOptions, tokens: TokenCounter) -> Haystack:
    """Return as many lines of a book as fit with each of its questions; none if it has no questions.

    Raises:
        ProbeError: not even one line fits, or the book is too short.
    """
    if not items:
        return Haystack((), "\n", " ")
    budget = options.probe_length - NEW_TOKENS
    lines = collect_units(book.lines(), tokens, budget)
    sizes = tokens.each([item.prompt(item.needle) for item in items])
    longest = items[max(range(len(items)), key=sizes.__getitem__)]

    def measure(n: int) -> int:
        context, _ = Haystack(lines[:n], "\n", " ").place([Needle(1, longest.needle)], options.probe_depths)
        return tokens.prompt(longest.prompt(context)) + _SLACK

    n = how_many_fit(len(lines), budget, measure)
    if n == len(lines):
        raise ProbeError(
            f"{book.file}: its {n:,} lines do not fill probe_length={options.probe_length}; lower probe_length"
        )
    if n < 1:
        raise ProbeError(
            f"probe_length={options.probe_length} does not hold one line of {book.file.name} beside needle, question "
            f"and {NEW_TOKENS} generated tokens; set it to at least {measure(1) + NEW_TOKENS}"
        )
    if n < options.probe_depths - 1:
        raise ProbeError(
            f"probe_length={options.probe_length} holds only {n} lines of {book.file.name}, fewer than "
            f"probe_depths={options.probe_depths} needs; raise probe_length or lower probe_depths"
        )
    return Haystack(lines[:n], "\n", " ")


def _questions(
    number: int, item: NolimaItem, books: Sequence[Haystack], options: NolimaOptions
) -> Iterator[PositionQuestion]:
    for depth in range(options.probe_depths):
        _, middles = books[item.book].place([Needle(depth, item.needle)], options.probe_depths)
        yield PositionQuestion(
            question=number,
            context=number * options.probe_depths + depth,
            length=options.probe_length,
            depth=depth,
            n_depths=options.probe_depths,
            kind="fine_grained",
            text=item.question,
            gold=item.gold,
            query=item.question,
            other=item.other or next(filter(str.strip, books[item.book].units), ""),
            gold_depths=middles,
        )


NOLIMA = PositionProbe(
    name="nolima",
    title="NoLiMa",
    load=load_nolima,
    score=contains_any,
    recall=best_recall,
    options=NolimaOptions,
    controls=("",),
    max_gen_toks=NEW_TOKENS,
    source="adobe-research/NoLiMa (arXiv 2502.05167)",
)
