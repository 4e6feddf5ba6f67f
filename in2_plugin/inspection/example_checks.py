"""Checks of questions and examples: what the paper and the format promise of every row."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from in2_plugin.contexts.dataset import IN2Dataset, read_manifest
from in2_plugin.contexts.rendering import gold_spans
from in2_plugin.contexts.tables import read_rows
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import load_tokenizer
from in2_plugin.errors import TokenizerError
from in2_plugin.inspection.finding import LeftOut, Report
from in2_plugin.questions import Kind

QUESTIONS_AGAIN = "remove questions.parquet and manifest.json and run `in2 build` again; answers come from the work log"
EXAMPLES_AGAIN = "remove examples.parquet and manifest.json and run `in2 build` again; no question is asked again"
RENDERED = 32
"""Examples that are put together and looked at token by token."""
TEXTS = 65_536
"""Segment texts that are held at a time."""


def questions(folder: Path, report: Report) -> str:
    """Every question has text, gold among its segments, and segments of its own document; none comes twice."""
    store = SegmentStore(folder / "segments")
    seen: set[tuple[str, bytes]] = set()
    count = 0
    for row in read_rows(folder / "questions.parquet"):
        faults = list(_faults_of_question(row, store))
        if (key := _key(row)) in seen:
            faults.append("was asked before")
        seen.add(key)
        for fault in faults:
            report.wrong(f"questions.parquet, row {count}", fault, QUESTIONS_AGAIN)
        count += 1
    return f"{count:,} questions"


def _faults_of_question(row: Mapping[str, Any], store: SegmentStore) -> Iterator[str]:
    ids, gold = row["segment_ids"], row["gold"]
    if row["kind"] not in set(Kind):
        yield f"is of the unknown kind {row['kind']}"
    if not row["question"].strip() or not row["answer"].strip():
        yield "has no question or no answer"
    if not gold or not set(gold) <= set(ids):
        yield "has gold that is not among its segments"
    if row["kind"] == Kind.INTEGRATION and len(ids) < 2:
        yield "asks about fewer than two segments, and is to integrate"
    if max(ids, default=0) >= len(store):
        yield "names a segment that does not exist"
    elif set(store.document[ids].tolist()) != {row["document"]}:
        yield "has segments of another document than its own"


def rejections(folder: Path, report: Report) -> str:
    """Every rejection has a reason."""
    count = 0
    for row in read_rows(folder / "rejected.parquet"):
        if not row["reason"]:
            report.wrong(f"rejected.parquet, row {count}", "has no reason", QUESTIONS_AGAIN)
        count += 1
    return f"{count:,} rejections"


def examples(folder: Path, report: Report) -> str:
    """Every example has its question's segments, fillers that do not answer it, and a length within the bounds."""
    store = SegmentStore(folder / "segments")
    lengths = json.loads((folder / "build.json").read_text(encoding="utf-8"))["lengths"]
    asked = _questions_by_text(folder)
    folded = lru_cache(TEXTS)(lambda segment: store.text(segment).casefold())
    count = 0
    for row in read_rows(folder / "examples.parquet"):
        question = asked.get(_key(row))
        if question is None:
            faults = ["its question is not in questions.parquet"]
        else:
            faults = [*_faults_of_example(row, question, store, lengths), *_leaks(row, question, folded)]
        for fault in faults:
            report.wrong(f"examples.parquet, row {count}", fault, EXAMPLES_AGAIN)
        count += 1
    if count != len(asked):
        report.wrong("examples.parquet", f"has {count:,} examples for {len(asked):,} questions", EXAMPLES_AGAIN)
    return f"{count:,} examples"


def _key(row: Mapping[str, Any]) -> tuple[str, bytes]:
    return row["kind"], blake2b(row["question"].encode(), digest_size=12).digest()


Asked = tuple[tuple[int, ...], tuple[int, ...], tuple[str, ...]]
"""(segment ids, gold, exclusive texts, case folded) of a question: what an example is held against."""


def _questions_by_text(folder: Path) -> dict[tuple[str, bytes], Asked]:
    return {
        _key(row): (
            tuple(row["segment_ids"]),
            tuple(row["gold"]),
            tuple(text.casefold() for text in row["exclusive"]),
        )
        for row in read_rows(folder / "questions.parquet")
    }


def _faults_of_example(
    row: Mapping[str, Any], question: Asked, store: SegmentStore, lengths: Mapping[str, int]
) -> Iterator[str]:
    own, gold, _ = question
    ids, spans = row["segment_ids"], row["gold"]
    if not lengths["min"] <= row["n_tokens"] <= lengths["max"]:
        yield "is shorter or longer than `lengths` allows"
    if len(set(ids)) != len(ids):
        yield "has a segment twice"
    if not set(own) <= set(ids):
        yield "lacks a segment of its question"
    if max(ids, default=0) >= len(store):
        yield "names a segment that does not exist"
        return
    fillers = np.array([i for i in ids if i not in set(own)], np.int64)
    if (store.document[fillers] == row["document"]).any():
        yield "has a filler from the document of its question"
    if not store.usable[fillers].all():
        yield "has a filler that may not be used"
    if sorted(span["segment_id"] for span in spans) != sorted(gold):
        yield "marks other segments as gold than its question"
    if not _are_in_order([(span["start"], span["stop"]) for span in spans], row["n_tokens"] - row["n_answer_tokens"]):
        yield "has gold ranges that overlap or lie outside the context"


def _are_in_order(spans: Sequence[tuple[int, int]], end: int) -> bool:
    edges = [edge for span in sorted(spans) for edge in span]
    return edges == sorted(edges) and all(start < stop for start, stop in spans) and (not edges or edges[-1] <= end)


def _leaks(row: Mapping[str, Any], question: Asked, folded: Any) -> Iterator[str]:
    own, _, exclusive = question
    if exclusive and any(text in folded(i) for i in row["segment_ids"] if i not in own for text in exclusive):
        yield "has a filler that holds what its question quotes, or the answer"


def rendering(folder: Path, report: Report) -> str:
    """A sample of examples, put together: lengths, gold ranges, and the text under the mask."""
    manifest = read_manifest(folder)
    try:
        tokenizer = load_tokenizer(manifest.tokenizer)
        dataset = IN2Dataset(folder, tokenizer)
    except TokenizerError as failure:
        raise LeftOut(f"its tokenizer cannot be had here ({failure})") from None
    every = max(1, manifest.examples // RENDERED)
    looked = 0
    for i, row in enumerate(read_rows(folder / "examples.parquet")):
        if i % every:
            continue
        looked += 1
        where = f"examples.parquet, row {i}"
        rendered = dataset.render(row)
        gold = [span["segment_id"] for span in row["gold"]]
        spans = gold_spans(rendered, row["segment_ids"], gold)
        if [(s.start, s.stop) for s in spans] != [(s["start"], s["stop"]) for s in row["gold"]]:
            report.wrong(where, "has its gold elsewhere than its plan says", EXAMPLES_AGAIN)
        said = tokenizer.decode(rendered.input_ids[slice(*rendered.answer)].tolist())
        if not said.strip().startswith(row["answer"].strip()):
            report.wrong(where, "has another text under its mask than the answer", EXAMPLES_AGAIN)
    return f"{looked} examples, token by token"
