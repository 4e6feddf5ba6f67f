"""Keep the rejected questions of a probe, and word what the stages of `in2 build` say in the terms of a probe file.

Invariant: both changes of rejected.parquet give the same bytes when they are repeated, as in a resumed build.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from in2_plugin import layout
from in2_plugin.dataset.tables import REJECTED, read_rows, write_rows
from in2_plugin.errors import DatasetError, NotEnoughQuestions, TokenizerMismatch
from in2_plugin.probing.own_text.tables import DepthQuestion

TERMS = {
    ", or set `mixture.shortfall: rescale`": "",
    "; add text, lower": "; add text, or lower",
    "mixture.fine_grained": "fine_grained",
    "mixture.integration": "integration",
    "`lengths.max`": "`lengths`",
    "lengths.max": "`lengths`",
    "in2 build --restart": "in2 probe build --restart",
    "replace the dataset": "replace the probe",
}
"""Words of a build file and what a probe has instead, in the order of their replacement."""


def in_probe_terms(sentence: str) -> str:
    """Return a sentence about a build with the keys and commands of a probe."""
    for of_build, of_probe in TERMS.items():
        sentence = sentence.replace(of_build, of_probe)
    return sentence


@contextmanager
def errors_in_probe_terms() -> Iterator[None]:
    """Reword the errors of the shared stages that name keys or commands of a build."""
    try:
        yield
    except (DatasetError, NotEnoughQuestions, TokenizerMismatch) as failure:
        raise type(failure)(in_probe_terms(str(failure))) from None


def reword_rejected(folder: Path) -> None:
    """Reword the reasons in rejected.parquet."""
    rows = read_rows(folder / layout.REJECTED)
    reworded = [{**row, "reason": in_probe_terms(row["reason"])} for row in rows]
    write_rows(folder / layout.REJECTED, reworded, REJECTED)


def add_rejected(folder: Path, question: DepthQuestion, reason: str) -> None:
    """Add a written question to rejected.parquet, unless an interrupted build has added it."""
    rows = list(read_rows(folder / layout.REJECTED))
    if any((row["question"], row["reason"]) == (question.text, reason) for row in rows):
        return
    row = {
        "kind": question.kind, "question": question.text, "answer": " / ".join(question.gold),
        "document": question.document, "segment_ids": question.segments, "reason": reason,
    }  # fmt: skip
    write_rows(folder / layout.REJECTED, [*rows, row], REJECTED)
