"""Multi-document questions of Liu et al. 2023, "Lost in the Middle" (arXiv 2307.03172), from the authors' files.

The files (nelson-liu/lost-in-the-middle, qa_data) are not shipped. One of them has every question with its documents,
so the gold document can be put at any index, as scripts/make_qa_data_from_retrieval_results.py does. Prompts and
controls are those of src/lost_in_the_middle/prompts and prompting.py; 100 tokens are generated
(scripts/get_qa_responses_from_mpt.py). Every question has its own documents, so no two prompts share a context.
"""

import hashlib
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from in2_plugin.errors import ProbeError
from in2_plugin.probing.position.options import PositionOptions
from in2_plugin.probing.position.probe import LONGER_WINDOW, Control, PositionProbe, PositionQuestion
from in2_plugin.probing.probes.order import evenly_spread
from in2_plugin.probing.probes.tokens import TokenCounter
from in2_plugin.probing.published.files import data_folder, json_lines, text_of
from in2_plugin.probing.scoring.answers import best_recall

# prompts/qa.prompt, the same for one document (oracle); prompting.py for a document; prompts/closedbook_qa.prompt
BEFORE = (
    "Write a high-quality answer for the given question using only the provided search results "
    "(some of which might be irrelevant).\n\n"
)
DOCUMENT = "Document [{}](Title: {}) {}"
QUESTION = "Question: {}\nAnswer:"
NEW_TOKENS = 100
FEWEST_DOCUMENTS = 10
"""Of the authors' files; they have three indices there, too few for a dip."""
HOW_TO_GET = "clone https://github.com/nelson-liu/lost-in-the-middle and set probe_data to its folder qa_data"
_FILE = "nq-open-{}_total_documents_gold_at_{}.jsonl"
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class MultiDocumentOptions(PositionOptions):
    """Options of `litm_qa`."""

    probe_data: str | None = None
    """The authors' folder qa_data, or a dataset on the hub with the same files."""
    probe_documents: int = Field(default=20, ge=2)
    """Documents per question; the authors have files for 10, 20 and 30."""
    probe_depths: int | None = Field(default=None, ge=2)
    """Evenly spread indices of the gold document; when absent those of the authors: 0, 4, 9, 14 and 19 of 20."""
    probe_questions: int | None = Field(default=None, ge=1)
    """Questions, evenly spread over the file; all 2,655 when absent."""

    @model_validator(mode="after")
    def _check_depths(self) -> Self:
        if self.probe_depths is not None and self.probe_depths > self.probe_documents:
            raise ValueError(f"probe_depths={self.probe_depths} is more than probe_documents={self.probe_documents}")
        return self

    @property
    def indices(self) -> tuple[int, ...]:
        """Indices of the gold document, from 0, one per depth."""
        last = self.probe_documents - 1
        if self.probe_depths is None:
            return tuple(sorted({0, *range(4, last, 5), last}))
        steps = self.probe_depths - 1
        return tuple((2 * number * last + steps) // (2 * steps) for number in range(self.probe_depths))


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One document of a question."""

    title: str
    text: str

    def line(self, index: int) -> str:
        return DOCUMENT.format(index + 1, self.title, self.text)


@dataclass(frozen=True, slots=True)
class MultiDocumentQuestion:
    """One question of the authors' files."""

    text: str
    answers: tuple[str, ...]
    gold: SearchResult
    others: tuple[SearchResult, ...]
    """The documents without an answer, most relevant first."""

    def lines(self, gold_index: int) -> list[str]:
        """Return the documents as the model reads them, with the gold document at an index."""
        documents = [*self.others[:gold_index], self.gold, *self.others[gold_index:]]
        return [document.line(index) for index, document in enumerate(documents)]


@dataclass(frozen=True, slots=True)
class MultiDocumentPrompts:
    """The prompts of one run."""

    source: tuple[MultiDocumentQuestion, ...]
    indices: tuple[int, ...]
    control: Control
    questions: tuple[PositionQuestion, ...]

    def prompt(self, question: PositionQuestion) -> str:
        one = self.source[question.question]
        if self.control == "closed_book":
            return question.text
        lines = [one.gold.line(0)] if self.control == "gold_only" else one.lines(self.indices[question.depth])
        return BEFORE + "\n".join(lines) + f"\n\n{question.text}"

    def digest(self) -> str:
        digest = hashlib.sha256(f"{self.indices} {BEFORE}{DOCUMENT}{QUESTION}".encode())
        for one in self.source:
            digest.update("\0".join((one.text, *one.answers, *one.lines(0))).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]


def best_subspan(gold: tuple[str, ...], answer: str) -> float:
    """Return 1 if the first line of an answer contains one of the gold texts, both normalized as in SQuAD.

    Source: scripts/evaluate_qa_responses.py and `best_subspan_em` of src/lost_in_the_middle/metrics.py. A gold text
    without letters and digits, which one question of the authors has, is in every answer, as it is for them.
    """
    line = _normalized(answer.split("\n", 1)[0])
    return float(any(_normalized(text) in line for text in gold))


def _normalized(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def load_multi_document(
    lm_eval_args: Mapping[str, Any], control: Control, tokens: TokenCounter
) -> MultiDocumentPrompts:
    """Read the authors' questions and ask each one with the gold document at every index.

    Raises:
        ConfigError: an option is unknown or out of bounds.
        ProbeError: there are no such files, or a row is invalid; names file, row and field.
    """
    options = MultiDocumentOptions.of(lm_eval_args, "litm_qa")
    source = _chosen(list(_read(_file(options), options.probe_documents)), options.probe_questions)
    unasked = MultiDocumentPrompts(source, options.indices, control, ())
    # documents differ by hundreds of characters, their numbers by a few: the longest text is the longest prompt
    longest = max(map(unasked.prompt, _questions(source, options, control, length=0)), key=len)
    questions = _questions(source, options, control, tokens.prompt(longest) + NEW_TOKENS)
    return MultiDocumentPrompts(source, options.indices, control, tuple(questions))


def _file(options: MultiDocumentOptions) -> Path:
    n = options.probe_documents
    if options.probe_data is None:
        raise ProbeError(f"litm_qa needs the authors' files: {HOW_TO_GET}")
    folder = data_folder(options.probe_data, ["*nq-open-*_total_documents_gold_at_*"], HOW_TO_GET)
    files = sorted(path for ending in ("", ".gz") for path in folder.rglob(_FILE.format(n, "*") + ending))
    if not files:
        raise ProbeError(
            f"{folder} has no {_FILE.format(n, 0)}.gz; {HOW_TO_GET}, or set probe_documents to 10, 20 or 30"
        )
    return files[0]


def _read(file: Path, n_documents: int) -> Iterator[MultiDocumentQuestion]:
    for number, row in enumerate(json_lines(file), start=1):
        yield _question(row, n_documents, f"{file}, row {number}")


def _question(row: Any, n_documents: int, place: str) -> MultiDocumentQuestion:
    if not isinstance(row, dict):
        raise ProbeError(f"{place}: is not a JSON object; {HOW_TO_GET}")
    answers, documents = row.get("answers"), row.get("ctxs")
    if not isinstance(answers, list) or not answers or not all(isinstance(text, str) and text for text in answers):
        raise ProbeError(f"{place}: `answers` must be a list of texts; {HOW_TO_GET}")
    if not isinstance(documents, list) or not all(isinstance(document, dict) for document in documents):
        raise ProbeError(f"{place}: `ctxs` must be a list of objects; {HOW_TO_GET}")
    results = [(document.get("isgold"), _result(document, place)) for document in documents]
    gold = [result for is_gold, result in results if is_gold is True]
    if len(results) != n_documents or len(gold) != 1:
        raise ProbeError(
            f"{place}: `ctxs` has {len(results)} documents, {len(gold)} of them with `isgold`; it must have "
            f"{n_documents} with one gold document; {HOW_TO_GET}"
        )
    others = tuple(result for is_gold, result in results if is_gold is not True)
    return MultiDocumentQuestion(text_of(row, "question", place), tuple(answers), gold[0], others)


def _result(document: Mapping[str, Any], place: str) -> SearchResult:
    title, text = document.get("title"), document.get("text")
    if not isinstance(title, str) or not isinstance(text, str) or not text:
        raise ProbeError(f"{place}: each of `ctxs` must have a `title` and a `text`; {HOW_TO_GET}")
    return SearchResult(title, text)


def _chosen(found: Sequence[MultiDocumentQuestion], wanted: int | None) -> tuple[MultiDocumentQuestion, ...]:
    n = len(found) if wanted is None else wanted
    if n > len(found):
        raise ProbeError(
            f"probe_questions={n}, but the file has only {len(found):,} questions; lower it or leave it out"
        )
    return tuple(found[index] for index in evenly_spread(len(found), n))


def _questions(
    source: Sequence[MultiDocumentQuestion], options: MultiDocumentOptions, control: Control, length: int
) -> Iterator[PositionQuestion]:
    indices = options.indices if control == "" else (0,)
    for number, one in enumerate(source):
        for depth, index in enumerate(indices):
            yield PositionQuestion(
                question=number,
                context=number * len(indices) + depth,
                length=length,
                depth=depth,
                n_depths=len(indices),
                kind="fine_grained",
                text=QUESTION.format(one.text),
                gold=one.answers,
                query=one.text,
                other=one.others[len(one.others) // 2].text,
                gold_depths=(_middle(one.lines(index), index),) if control == "" else (),
            )


def _middle(lines: Sequence[str], index: int) -> float:
    """Return the relative depth of the middle of a line."""
    before = sum(len(line) + 1 for line in lines[:index])
    return (before + len(lines[index]) / 2) / (sum(map(len, lines)) + len(lines) - 1)


def _shorten(lm_eval_args: Mapping[str, Any]) -> str:
    """Return the advice for prompts that are too long: fewer documents, where the authors have files with fewer."""
    options = MultiDocumentOptions.of(lm_eval_args, "litm_qa")
    if options.probe_documents <= FEWEST_DOCUMENTS:
        return LONGER_WINDOW
    fits = options.probe_depths is not None and options.probe_depths <= FEWEST_DOCUMENTS
    depths = "" if fits else " and probe_depths to 5"
    return f"set probe_documents to {FEWEST_DOCUMENTS}{depths} in --metadata, or {LONGER_WINDOW}"


LITM_QA = PositionProbe(
    name="litm_qa",
    title="Multi-document questions",
    load=load_multi_document,
    score=best_subspan,
    recall=best_recall,
    options=MultiDocumentOptions,
    max_gen_toks=NEW_TOKENS,
    shorten=_shorten,
    source="Liu et al. 2023, arXiv 2307.03172; github.com/nelson-liu/lost-in-the-middle",
)
