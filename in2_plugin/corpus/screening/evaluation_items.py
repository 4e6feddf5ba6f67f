"""Read the evaluation sets of a trained model, VAL items and any other dataset, as named texts.

Invariant: nothing is skipped silently. An evaluation set without a single n-gram, or a folder without one of the three
files of VAL items, is an error, because a misspelt field would leave the corpus contaminated.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from in2_plugin.config import Decontamination, EvaluationSource
from in2_plugin.corpus.screening.excluded_folders import excluded_texts
from in2_plugin.corpus.screening.ngrams import words
from in2_plugin.corpus.sources.bad_rows import BadRow, BadRows, checked_text, lines_of
from in2_plugin.corpus.sources.documents import read_rows
from in2_plugin.errors import CorpusError

PIECES = Path(__file__).parents[2] / "probing/data"
PIECE_FILES = ("document_sentences", "code_functions", "database_entities")
Item = tuple[str, str]
"""(name, text)"""


def evaluation_items(config: Decontamination, say: Callable[[str], None] = lambda line: None) -> Iterator[Item]:
    """Yield every text of every evaluation set in the build file; `say` gets one line per set with skipped rows.

    Raises:
        CorpusError: a set cannot be read, or none of its texts is long enough to compare.
    """
    if config.probes:
        yield from _bundled()
    if config.pieces:
        yield from _pieces(config.pieces, str(config.pieces))
    for source in config.sources:
        yield from _source(source, min(config.ngram or 1, config.whole_items), say)
    for name, excluded in excluded_texts(config):
        for number, text in enumerate(excluded.gold_texts(), 1):
            yield f"{name} gold:{number}", text


@cache
def _bundled() -> tuple[Item, ...]:
    # a build reads them twice, for its screening and its audit; 40,000 short texts take 5 MB
    return tuple(_pieces(PIECES, "val"))


def _pieces(folder: Path, shown: str) -> Iterator[Item]:
    for name in PIECE_FILES:
        path = next((folder / f for f in (f"{name}.jsonl", f"{name}.jsonl.gz") if (folder / f).is_file()), None)
        if path is None:
            raise CorpusError(
                f"{folder}: has no {name}.jsonl; set `decontamination.pieces` to a folder of VAL pieces (in a clone of "
                "microsoft/FILM: VaLProbing/pieces), or leave it out"
            )
        try:
            with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    for text in texts_in(json.loads(line)):
                        yield f"{shown} {name}:{number}", checked_text(text, name)
        except (OSError, ValueError, EOFError, RecursionError) as failure:
            raise CorpusError(f"{path}: cannot be read as JSON Lines ({failure}); download it again") from None


def _source(source: EvaluationSource, n: int, say: Callable[[str], None]) -> Iterator[Item]:
    found, comparable = 0, False
    bad = BadRows(source.path, source.max_bad_rows)
    for place, row in read_rows(source):
        bad.rows += 1
        try:
            texts = _row_texts(row, source.fields)
        except BadRow as failure:
            bad.skip(partial(str, place), str(failure))
            continue
        bad.empty += not any(text.strip() for text in texts)
        for text in texts:
            found += 1
            comparable = comparable or len(words(text)) >= n
            yield place, text
    bad.require()
    for line in lines_of([bad]):
        say(line)
    if not found:
        skipped = f" ({bad.line()})" if bad.count else ""
        raise CorpusError(
            f"{source.path}: this evaluation set has no text{skipped}; check `path`, `split` and `fields`"
        )
    if not comparable:
        raise CorpusError(
            f"{source.path}: not one of {found:,} texts in this evaluation set has {n} words, so nothing can be "
            "compared; check `fields`, or lower `decontamination.whole_items`"
        )


def _row_texts(row: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    """Return the texts in some fields of a row, or in all.

    Raises:
        BadRow: it has no such field, or a text contains half of a surrogate pair.
    """
    if missing := [field for field in fields if field not in row]:
        present = ", ".join(map(str, row))
        raise BadRow(f"has no field `{missing[0]}` (set `fields` of this evaluation set to some of {present})")
    chosen = {field: row[field] for field in fields} if fields else row
    return [checked_text(text, field) for field, value in chosen.items() for text in texts_in(value)]


def texts_in(value: Any) -> Iterator[str]:
    """Yield every string in nested rows and lists."""
    left = [value]
    while left:  # not recursive: a row may be nested as deep as the JSON parser allows
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            left += reversed(list(value.values()))
        elif isinstance(value, Sequence) and not isinstance(value, bytes):
            left += reversed(value)
