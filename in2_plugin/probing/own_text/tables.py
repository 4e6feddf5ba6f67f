"""Write and read the tables of a probe folder.

    probe_questions.parquet   question, kind, text, gold, document, segments, exclusive, place
    contexts.parquet          context, length, segment_ids, n_tokens, asked
    probe.json                written last: the facts of the probe, with a digest of its questions and contexts

Invariant: the digest covers every text of a prompt and every gold, and no token id; a folder whose content has another
digest than probe.json states is refused. Cost of reading: one pass over the texts in use, about 100 MB per second.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from in2_plugin import layout
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.dataset.tables import IDS, read_rows, write_rows
from in2_plugin.errors import DatasetError, ProbeError, one_line

FORMAT = 1
"""Version of the folder's format."""
TEXTS = pa.list_(pa.string())
QUESTIONS = pa.schema(
    [
        ("number", pa.uint32()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("gold", TEXTS),
        ("document", pa.uint32()),
        ("segments", IDS),
        ("exclusive", TEXTS),
        ("place", pa.string()),
    ]
)
ASKED = pa.struct(
    [
        ("question", pa.uint32()),
        ("depth", pa.uint16()),
        ("gold_depths", pa.list_(pa.float64())),
        ("other", pa.string()),
    ]
)
CONTEXTS = pa.schema(
    [
        ("number", pa.uint32()),
        ("length", pa.uint32()),
        ("segment_ids", IDS),
        ("n_tokens", pa.uint32()),
        ("asked", pa.list_(ASKED)),
    ]
)


@dataclass(frozen=True, slots=True)
class DepthQuestion:
    """One question of a probe, which is asked at every depth."""

    number: int
    kind: str
    """`fine_grained` or `integration`."""
    text: str
    gold: tuple[str, ...]
    """Texts that an answer must contain, all of them."""
    document: int
    segments: tuple[int, ...]
    """Gold segments, first gold first."""
    exclusive: tuple[str, ...] = ()
    """Texts besides the answers that no other segment of its context may contain."""
    place: str = ""
    """Row of the user's own file; empty for a written question."""


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question of one context."""

    question: int
    depth: int
    """Number of the part of the context with its first gold."""
    gold_depths: tuple[float, ...]
    """Relative depth of the middle of each gold, first gold first."""
    other: str
    """A wrong answer from another place of the context."""


@dataclass(frozen=True, slots=True)
class PlannedContext:
    """One context and the questions that it is asked."""

    number: int
    length: int
    """Tokens that it was made for, the answer included."""
    segment_ids: tuple[int, ...]
    """In reading order."""
    n_tokens: int
    """Tokens of its longest prompt, with the tokenizer of the probe file, chat template included."""
    asked: tuple[AskedQuestion, ...]


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """The content of probe.json."""

    format: int
    version: str
    tokenizer: str
    tokenizer_fingerprint: str
    seed: int
    lengths: tuple[int, ...]
    n_depths: int
    counts: dict[str, int]
    digest: str
    questions_file: str = ""
    """Digest of the rows of the user's own questions; empty for written questions."""


@dataclass(frozen=True, slots=True)
class ProbeFolder:
    """A complete probe."""

    folder: Path
    facts: ProbeFacts
    questions: tuple[DepthQuestion, ...]
    contexts: tuple[PlannedContext, ...]
    store: SegmentStore


def write_tables(folder: Path, questions: Iterable[DepthQuestion], contexts: Iterable[PlannedContext]) -> None:
    """Write the two tables of a probe folder."""
    write_rows(folder / layout.PROBE_QUESTIONS, map(asdict, questions), QUESTIONS)
    write_rows(folder / layout.CONTEXTS, map(asdict, contexts), CONTEXTS)


def probe_digest(questions: Sequence[DepthQuestion], contexts: Sequence[PlannedContext], store: SegmentStore) -> str:
    """Return sixteen hex digits that change with any question, gold, depth or text of a context."""
    used = {i for context in contexts for i in context.segment_ids}
    used.update(i for question in questions for i in question.segments)
    texts = {i: hashlib.sha256(store.text(i).encode("utf-8", "surrogatepass")).hexdigest() for i in sorted(used)}
    digest = hashlib.sha256()
    for question in questions:
        golds = [texts[i] for i in question.segments]
        digest.update(repr((question.number, question.kind, question.text, question.gold, golds)).encode())
    for context in contexts:
        asked = [(one.question, one.depth, one.gold_depths, one.other) for one in context.asked]
        shown = [texts[i] for i in context.segment_ids]
        digest.update(repr((context.number, context.length, shown, asked)).encode())
    return digest.hexdigest()[:16]


def read_probe(folder: Path) -> ProbeFolder:
    """Open a probe folder and compare its content with its digest.

    Raises:
        ProbeError: it is missing, unfinished, damaged, or of a newer version.
    """
    facts = read_facts(folder)
    try:
        store = SegmentStore(folder / layout.SEGMENTS)
        questions = tuple(_question(row) for row in read_rows(folder / layout.PROBE_QUESTIONS))
        contexts = tuple(_context(row) for row in read_rows(folder / layout.CONTEXTS))
        found = probe_digest(questions, contexts, store)
    except (OSError, pa.ArrowException, DatasetError, TypeError, KeyError, IndexError, ValueError) as failure:
        raise _damaged(folder, one_line(failure)) from None
    if found != facts.digest:
        raise _damaged(folder, f"its content has the digest {found}, and {layout.PROBE} states {facts.digest}")
    return ProbeFolder(folder, facts, questions, contexts, store)


def read_facts(folder: Path) -> ProbeFacts:
    """Read probe.json.

    Raises:
        ProbeError: the folder is missing or unfinished, or the file is damaged or of a newer version.
    """
    if not folder.is_dir():
        raise ProbeError(f"{folder}: no such folder; give the `output` of a probe file")
    path = folder / layout.PROBE
    if not path.exists():
        if (folder / layout.BUILD).exists():
            raise ProbeError(f"{folder}: is not a complete probe; run `in2 probe build` again to complete it")
        raise ProbeError(f"{folder}: is not a probe; give the `output` of a probe file of `in2 probe build`")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        facts = ProbeFacts(**{**content, "lengths": tuple(content["lengths"])})
    except (OSError, ValueError, TypeError, KeyError) as failure:
        raise _damaged(folder, f"{layout.PROBE}: {one_line(failure)}") from None
    if facts.format != FORMAT:
        raise ProbeError(
            f"{folder}: has format {facts.format} of in2-plugin {facts.version}, and this version reads {FORMAT}; "
            "install that version, or build the probe again"
        )
    return facts


def _damaged(folder: Path, reason: str) -> ProbeError:
    return ProbeError(f"{folder}: is damaged ({reason}); run `in2 probe build --restart` to write it again")


def _question(row: dict[str, Any]) -> DepthQuestion:
    return DepthQuestion(**{**row, **{name: tuple(row[name]) for name in ("gold", "segments", "exclusive")}})


def _context(row: dict[str, Any]) -> PlannedContext:
    asked = tuple(AskedQuestion(**{**one, "gold_depths": tuple(one["gold_depths"])}) for one in row["asked"])
    return PlannedContext(**{**row, "segment_ids": tuple(row["segment_ids"]), "asked": asked})
