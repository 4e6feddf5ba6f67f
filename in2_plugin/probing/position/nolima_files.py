"""Read the needle sets and books of NoLiMa (adobe-research/NoLiMa), which are not shipped.

A needle set is a JSON array. Each entry has a needle, questions by kind, and tests whose `input_args` replace `{1}`,
`{2}`, ... in both (evaluation/run_tests.py). Invariant: every fact that is returned has all its arguments.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from in2_plugin.errors import ProbeError
from in2_plugin.probing.published.files import data_folder

# evaluation/run_tests.py, for needles without a `task_template`
TEMPLATE = (
    "You will answer a question based on the following book snippet:\n\n{haystack}\n\nUse the information provided in "
    "the book snippet to answer the question. Your answer should be short and based on either explicitly stated facts "
    "or strong, logical inferences.\n\nQuestion: {question}\n\n Return only the final answer with no additional "
    "explanation or reasoning."
)
HUB_ID = "amodaresi/NoLiMa"
HOW_TO_GET = (
    "run data/download_NoLiMa_data.sh in a clone of https://github.com/adobe-research/NoLiMa and set probe_data to its "
    f"folder data, or set it to {HUB_ID}"
)
CHARACTER = "{CHAR}"
_BOOKS = "rand_shuffle/*.txt"


@dataclass(frozen=True, slots=True)
class HiddenFact:
    """One needle and one question about it."""

    needle: str
    """With `{CHAR}` in place of the character, if the answer is one."""
    question: str
    template: str
    characters: tuple[str, ...]
    answers: tuple[str, ...]
    """Answers of a needle without a character."""
    place: str
    """File and key, for error messages."""


@dataclass(frozen=True, slots=True)
class Book:
    """One haystack."""

    file: Path
    text: str

    def lines(self) -> Iterator[str]:
        return iter(self.text.split("\n"))  # other line boundaries of Unicode are part of the text


def read_nolima(data: str, needle_set: str) -> tuple[list[HiddenFact], list[Book]]:
    """Return the facts of a needle set in the order of their file, and all books by name.

    Args:
        data: the authors' folder `data`, or a dataset on the hub.
        needle_set: name of a file without its extension.

    Raises:
        ProbeError: a file is missing or not in the authors' format; names file and entry.
    """
    folder = data_folder(data, [f"needlesets/{needle_set}.json", f"haystack/{_BOOKS}"], HOW_TO_GET)
    sets, books = (sorted(folder.rglob(pattern)) for pattern in (f"{needle_set}.json", _BOOKS))
    for files, wanted in ((sets, f"{needle_set}.json"), (books, f"haystack/{_BOOKS}")):
        if not files:
            raise ProbeError(f"{folder} has no {wanted}; {HOW_TO_GET}")
    return _read_facts(sets[0]), [Book(file, _read_text(file)) for file in books]


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise ProbeError(f"{file}: cannot be read ({problem}); download the file again") from None


def _read_facts(file: Path) -> list[HiddenFact]:
    try:
        found = [fact for entry in json.loads(_read_text(file)) for fact in _facts(entry, f"{file}, id {entry['id']}")]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ProbeError(f"{file}: is not in the authors' format ({problem!r}); {HOW_TO_GET}") from None
    if not found:
        raise ProbeError(f"{file}: has no questions; {HOW_TO_GET}")
    return found


def _facts(entry: Mapping[str, Any], place: str) -> Iterator[HiddenFact]:
    if "distractors" in entry:
        raise ProbeError(f"{place}: has `distractors`, which this probe does not place; set another probe_needle_set")
    kinds: Mapping[str, str] = entry["questions"]
    # the authors leave out questions that repeat the needle's words (evaluation/gather_results.ipynb)
    indirect = [question for kind, question in kinds.items() if "direct" not in kind]
    for question in indirect or kinds.values():
        for test in entry["tests"].values():
            answers = test.get("gold_answers", ())
            yield HiddenFact(
                _with(entry["needle"], test["input_args"]),
                _with(question, test["input_args"]),
                entry.get("task_template", TEMPLATE),
                tuple(entry.get("character_set", ())),
                (answers,) if isinstance(answers, str) else tuple(answers),
                place,
            )


def _with(text: str, arguments: Sequence[str]) -> str:
    for number, argument in enumerate(arguments, start=1):
        text = text.replace(f"{{{number}}}", argument)
    return text
