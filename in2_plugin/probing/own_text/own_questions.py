"""Read the user's own questions and find their evidence in the documents.

One rule for bad rows, that of all sources: a row that cannot be used is skipped, counted and kept in rejected.parquet
with a sentence that names it, and too many of them end the build (`questions.file.max_bad_rows`). Cost: one pass over
the text of the corpus for all rows together.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from in2_plugin import layout
from in2_plugin.config import RowSource
from in2_plugin.config.probe import ProbeConfig
from in2_plugin.corpus.sources.bad_rows import BadRow, BadRows, checked_text
from in2_plugin.corpus.sources.documents import read_rows
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.tables import QUESTIONS, REJECTED, write_rows
from in2_plugin.errors import CorpusError, ProbeError
from in2_plugin.io.remote import local_path
from in2_plugin.probing.own_text.draw import screening_reason
from in2_plugin.probing.own_text.evidence import FoundPassage, QuotedPassage, find_evidence
from in2_plugin.probing.own_text.grouping import MOST_GOLD, Neighbours
from in2_plugin.probing.own_text.tables import DepthQuestion
from in2_plugin.probing.probes.options import NEW_TOKENS
from in2_plugin.questions import Kind
from in2_plugin.questions.leaks import core, without_ends

SHOWN = 10
"""Bad rows that the build shows; all are in rejected.parquet."""
MOST_BANNED = 0.5
"""Largest share of the segments of other documents that may contain an answer; they are no fillers beside it."""
WRITER = "file"
NEEDED = "must have `question`, `answer` (or a list `answers`) and `evidence`"


@dataclass(frozen=True, slots=True)
class OwnRow:
    """One row of the user's file."""

    place: str
    """`questions.jsonl:7`."""
    question: str
    answers: tuple[str, ...]
    evidence: tuple[QuotedPassage, ...]


@dataclass(frozen=True, slots=True)
class OwnQuestions:
    """The located questions of a file, and the rows that cannot be used."""

    questions: tuple[DepthQuestion, ...]
    bad: BadRows
    rejected: list[tuple[str, str, str]] = field(default_factory=list)
    """(place, question, reason)."""

    @property
    def documents(self) -> set[int]:
        """Documents with evidence."""
        return {question.document for question in self.questions}

    def usable(
        self, neighbours: Neighbours, lengths: Sequence[int], folder: Path, say: Callable[[str], None]
    ) -> list[DepthQuestion]:
        """Return the questions that contexts can be filled beside, and write the others to rejected.parquet.

        Raises:
            CorpusError: too many rows cannot be used.
            ProbeError: none can.
        """
        kept: list[DepthQuestion] = []
        shared: dict[str, float] = {}
        for question in self.questions:
            if reason := _objection(question, neighbours, lengths):
                self.reject(question.place, question.text, reason)
                continue
            kept.append(replace(question, number=len(kept)))
            if share := neighbours.banned_share(question):
                shared[question.place] = share
        self.require(folder, say)
        self._report(say)
        if shared:
            most = max(shared, key=lambda place: shared[place])
            say(
                f"the answers of {len(shared):,} questions are also in other documents, whose segments are kept out of "
                f"their contexts; most often that of {most}, in {shared[most]:.1%} of the segments"
            )
        if not kept:
            raise ProbeError(f"{self.bad.line() or 'the file has no rows'}; a probe needs at least one question")
        write_rows(folder / layout.QUESTIONS, map(_row, kept), QUESTIONS)
        return kept

    def require(self, folder: Path, say: Callable[[str], None]) -> None:
        """Write rejected.parquet and check the share of bad rows.

        Raises:
            CorpusError: too many rows cannot be used; `say` gets the first of them.
        """
        rows = [{"question": text, "reason": f"{place}: {reason}"} for place, text, reason in self.rejected]
        write_rows(folder / layout.REJECTED, rows, REJECTED)
        try:
            self.bad.require()
        except CorpusError:
            self._report(say)
            raise

    def reject(self, place: str, question: str, reason: str) -> None:
        """Count a row that cannot be used."""
        self.bad.add(lambda: place, reason)
        self.rejected.append((place, question, reason))

    def _report(self, say: Callable[[str], None]) -> None:
        for place, _, reason in self.rejected[:SHOWN]:
            say(f"{place}: {reason}")
        if len(self.rejected) > SHOWN:
            say(f"{len(self.rejected) - SHOWN:,} more rows that cannot be used are in {layout.REJECTED}")
        if self.rejected:
            say(f"{len(self.rejected):,} of {self.bad.rows:,} rows are left out")


def locate_questions(config: ProbeConfig, store: SegmentStore, say: Callable[[str], None]) -> OwnQuestions:
    """Read the file of questions and locate their evidence.

    Raises:
        CorpusError: the file cannot be read.
    """
    source = config.questions.file
    assert source is not None
    found = OwnQuestions((), BadRows(source.path, source.max_bad_rows))
    rows = _rows(source, found)
    located = find_evidence([one for row in rows for one in row.evidence], store)
    questions, normalized = [], 0
    for row in rows:
        own = [located[one] for one in row.evidence]
        try:
            question = _question(row, own, store)
        except BadRow as bad:
            found.reject(row.place, row.question, str(bad))
            continue
        normalized += any(one.is_normalized for one in own)
        questions.append(question)
    if normalized:
        say(f"the evidence of {normalized:,} rows was found when case and white space were ignored")
    return replace(found, questions=tuple(questions))


def rows_digest(source: RowSource) -> str:
    """Return sixteen hex digits that change with any row of a file of questions."""
    digest = hashlib.sha256()
    for _, fields in _fields(source):
        digest.update(repr(sorted(fields.items())).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def _rows(source: RowSource, found: OwnQuestions) -> list[OwnRow]:
    rows: list[OwnRow] = []
    places: dict[str, str] = {}
    for place, fields in _fields(source):
        found.bad.rows += 1
        try:
            row = _own_row(place, fields)
            if row.question in places:
                raise BadRow(f"asks the same question as {places[row.question]}; delete one of them")
        except BadRow as bad:
            found.reject(place, str(fields.get("question") or ""), str(bad))
            continue
        places[row.question] = place
        rows.append(row)
    return rows


def _fields(source: RowSource) -> Iterator[tuple[str, dict[str, Any]]]:
    if not source.path.lower().endswith(".csv"):
        yield from read_rows(source)
        return
    try:
        with local_path(source.path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="")  # `_own_row` refuses a row with fields beyond the header
            for number, row in enumerate(reader, start=1):
                if source.limit is not None and number > source.limit:
                    return
                fields = {name: value or None for name, value in row.items() if name or value}
                yield f"{source.path}:{reader.line_num}", fields
    except (OSError, UnicodeDecodeError, csv.Error) as failure:
        raise CorpusError(f"{source.path}: cannot be read as CSV ({failure}); write it as UTF-8, or as JSONL") from None


def _own_row(place: str, fields: Mapping[str, Any]) -> OwnRow:
    if fields.get(""):
        raise BadRow("has more fields than the header; quote texts with commas")
    question = checked_text(fields.get("question"), "question").strip()
    answers = _texts(fields, "answers") or _texts(fields, "answer")
    evidence = _texts(fields, "evidence")
    missing = [
        name for name, value in (("question", question), ("answer", answers), ("evidence", evidence)) if not value
    ]
    if missing:
        raise BadRow(f"has no `{missing[0]}`; each row {NEEDED}")
    for answer in answers:
        if not core(answer):
            what = "a single character" if without_ends(answer) else "only punctuation"
            raise BadRow(f"its answer `{answer}` is {what}, which most texts contain; give a longer answer")
    document = checked_text(fields.get("document"), "document").strip()
    return OwnRow(place, question, answers, tuple(QuotedPassage(text, document) for text in evidence))


def _texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return one text or a list of them."""
    value = fields.get(name)
    values = value if isinstance(value, list | tuple) else [value]
    whole = (str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in values)
    return tuple(filter(None, (checked_text(one, name).strip() for one in whole)))


def _question(row: OwnRow, own: Sequence[FoundPassage], store: SegmentStore) -> DepthQuestion:
    """Return the question with its gold segments.

    Raises:
        BadRow: an evidence is not in exactly one segment that can be used.
    """
    segments = tuple(dict.fromkeys(_one_segment(one, store) for one in own))
    documents = {int(store.document[segment]) for segment in segments}
    if len(documents) > 1:
        names = " and ".join(sorted(str(store.documents["key"][number].as_py()) for number in documents)[:2])
        raise BadRow(f"its evidence is in several documents, {names}; all evidence of a question must be in one")
    kind = Kind.FINE_GRAINED if len(segments) == 1 else Kind.INTEGRATION
    return DepthQuestion(0, str(kind), row.question, row.answers, documents.pop(), segments, (), row.place)


def _one_segment(found: FoundPassage, store: SegmentStore) -> int:
    if found.reason:
        raise BadRow(found.reason)
    if not store.standing_usable[found.segment]:
        raise BadRow("its evidence is in a segment that spells a special token of the tokenizer; change the document")
    if reason := screening_reason(store, found.segment):
        raise BadRow(f"its evidence is in a segment that screening leaves out: {reason}; take evidence from elsewhere")
    return found.segment


def _objection(question: DepthQuestion, neighbours: Neighbours, lengths: Sequence[int]) -> str | None:
    """Return the reason why contexts cannot be filled beside a question, or None."""
    if neighbours.gold_tokens([question]) > MOST_GOLD * (lengths[0] - NEW_TOKENS):
        return f"its evidence fills more than half of a context of {lengths[0]:,} tokens; raise `lengths`"
    share, answers = neighbours.banned_share(question), " / ".join(question.gold)
    if share > MOST_BANNED:
        return (
            f"its answer `{answers}` is also in {share:.0%} of the segments of other documents, so almost any text "
            "contains it; give a longer answer"
        )
    if neighbours.free_tokens([question]) >= lengths[-1]:
        return None
    if share == 0:
        return f"too little text is in other documents for a context of {lengths[-1]:,} tokens; add documents"
    return (
        f"its answer `{answers}` is also in {share:.0%} of the segments of other documents, which would answer the "
        f"question, and the others do not fill a context of {lengths[-1]:,} tokens; give a longer answer, or add text"
    )


def _row(question: DepthQuestion) -> dict[str, Any]:
    return {
        "kind": question.kind, "form": "own", "question": question.text, "answer": " / ".join(question.gold),
        "document": question.document, "segment_ids": question.segments, "gold": question.segments, "exclusive": (),
        "writer": WRITER, "verified": (), "request": "", "short_context": False,
    }  # fmt: skip
