"""Make questions about invented records, without a language model (artificial needles; Xiong et al. 2024, 2406.19292).

A record is found by one of its fields, and another field is the answer: one record of a page (fine-grained), or a
record of each page of a register (integration). The writer invents the register of a passage again and asks about the
records that are in its text. Invariant: what is given and what is asked occur once in the passage, and the planner
keeps both out of all fillers; half of the questions are asked backward, as far as the passage allows. Cost: about 1 ms
per question with segments of 128 tokens.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, permutations, zip_longest

import numpy as np

from in2_plugin.questions.question import RECORDS_WRITER, Passage, Question, Rejection, Results
from in2_plugin.questions.records.registers import Register, invent_register
from in2_plugin.questions.records.wording import JOINS, ONE, TWO, question_text, relation_of

NONE_LEFT = "all of its records have been asked about"
"""Reason of a rejection."""
Record = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Query:
    """Fields of one record, or the same fields of a record of each page."""

    records: tuple[Record, ...]
    given: int
    asked: int
    is_forward: bool
    """True if the asked field comes after the given one in the text."""

    @property
    def form(self) -> str:
        """Name in questions.parquet."""
        return f"record{'s' * (len(self.records) > 1)}_{'after' if self.is_forward else 'before'}"

    def identifiers(self, field: int) -> list[str]:
        """Return one field of each record."""
        return [record[field] for record in self.records]


class RecordsWriter:
    """A `QuestionWriter` for the passages of registers; the same seed and register give the same questions."""

    name = f"{RECORDS_WRITER}1"

    def __init__(self, seed: int, first_document: int) -> None:
        """`first_document` is the document of the store that contains register 0."""
        self._seed, self._first = seed, first_document

    def write(self, passages: Iterable[Passage], missing: Callable[[], int]) -> Results:
        for passage in passages:
            yield self._write_one(passage)

    def detail(self) -> str:
        return ""

    def _write_one(self, passage: Passage) -> Question | Rejection:
        register = invent_register(passage.document - self._first, self._seed)
        pages = [register.records_on(text) for text in passage.texts]
        place = [*b"questions", register.number, *(pages[0][0][0].encode() if pages[0] else b"")]
        forward_first = bool((register.number + passage.segment_ids[0]) % 2)  # every other page
        queries = _dealt(
            list(_queries(register, pages, passage.texts)), forward_first, np.random.default_rng([self._seed, *place])
        )
        if passage.draw >= len(queries):
            return Rejection(passage, NONE_LEFT)
        query = queries[passage.draw]
        rng = np.random.default_rng([self._seed, *place, passage.draw])
        given, asked = query.identifiers(query.given), query.identifiers(query.asked)
        wordings = (ONE if len(given) == 1 else TWO)[relation_of(query.given, query.asked)]
        wording = wordings[rng.integers(len(wordings))]
        return Question(
            kind=passage.kind,
            form=query.form,
            question=question_text(wording, register.labels, query.given, query.asked, *given),
            answer=JOINS[rng.integers(len(JOINS))].join(asked),
            document=passage.document,
            segment_ids=passage.context,
            gold=passage.segment_ids,
            exclusive=(*given, *asked),
            writer=self.name,
        )


def _queries(register: Register, pages: Sequence[Sequence[Record]], texts: Sequence[str]) -> Iterator[_Query]:
    """Yield everything that can be asked without ambiguity about one record, or about two of different pages."""
    whole = "\n".join(texts).casefold()
    clear = [[record for record in page if all(whole.count(f.casefold()) == 1 for f in record)] for page in pages]
    askable = list(zip(*clear, strict=False))
    places = [whole.index(field.casefold()) for field in askable[0][0]] if askable else []  # one order on all pages
    for given, asked in permutations(range(len(places)), 2):
        for records in askable:
            yield _Query(records, given, asked, places[given] < places[asked])


def _dealt(queries: Sequence[_Query], forward_first: bool, rng: np.random.Generator) -> list[_Query]:
    """Return the queries in random order, forward and backward by turns as long as there are both."""
    shuffled = [queries[i] for i in rng.permutation(len(queries))]
    sides = [[q for q in shuffled if q.is_forward is forward] for forward in (forward_first, not forward_first)]
    return [query for query in chain.from_iterable(zip_longest(*sides)) if query is not None]
