"""`in2 build`: corpus -> segments -> questions -> examples, each stage sealed before the next begins.

Invariants: the manifest is written last; a stage that is sealed is not done again when an interrupted build is run
again; a folder of another build file is never written into. The same build file and seed give the same bytes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow.parquet as pq

import in2_plugin
from in2_plugin.config import BuildConfig
from in2_plugin.contexts.card import dataset_card
from in2_plugin.contexts.dataset import FORMAT, Manifest, read_manifest
from in2_plugin.contexts.examples import Example, ExamplePlanner
from in2_plugin.contexts.rendering import Renderer
from in2_plugin.contexts.tables import (
    EXAMPLES,
    QUESTIONS,
    REJECTED,
    read_rows,
    rejection_row,
    write_rows,
)
from in2_plugin.contexts.template import make_template
from in2_plugin.corpus.joining import Joining
from in2_plugin.corpus.readers import read_documents
from in2_plugin.corpus.store import SegmentStore, build_store
from in2_plugin.corpus.tokenizer import ModelTokenizer, load_tokenizer
from in2_plugin.errors import ConfigError, TokenizerMismatch
from in2_plugin.questions import Kind, Question
from in2_plugin.questions.collection import collect, passages
from in2_plugin.questions.extractive import ExtractiveWriter
from in2_plugin.sealing import seal_json, seal_text

STAGES = ("manifest.json", "segments/store.json", "questions.parquet", "examples.parquet")
"""Each exists only when its stage is finished; a folder without any of them may change its build file."""
CHECKED_EXAMPLES = 32
"""Examples whose ids are compared with those of their rendered text, besides the check of the store itself."""


class Progress(Protocol):
    """How a build tells what it is doing; the command line shows bars or plain lines."""

    def stage(self, name: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """Announce a stage; the context gives a function that takes steps done since it was last called."""

    def say(self, line: str) -> None:
        """Show one line of result."""


def build_dataset(config: BuildConfig, progress: Progress, restart: bool = False) -> Manifest:
    """Build the dataset of a build file, or finish an interrupted build of it.

    Raises:
        ConfigError: the output folder holds a dataset of another build file.
        In2Error: the corpus cannot be read, or does not hold what the mixture and lengths ask for.
    """
    folder = config.output
    _claim(folder, config, restart)
    tokenizer = load_tokenizer(config.tokenizer)
    if (folder / "manifest.json").exists():
        manifest = read_manifest(folder)
        _refuse_changed_tokenizer(config, manifest.tokenizer_fingerprint, tokenizer)
        progress.say(f"{folder} is complete already")
        return manifest
    template = make_template(config.template, tokenizer)
    store = _segments(config, tokenizer, progress)
    renderer = Renderer(store, tokenizer, template)
    planner = ExamplePlanner(store, renderer, config.lengths)
    questions = _questions(config, store, planner, progress)
    _examples(config, planner, questions, progress)
    if not _ids_are_those_of_text(folder, renderer, tokenizer):
        progress.say("joining stored ids does not give the ids of the text; every example is tokenised as a whole")
        store = store.with_joining(Joining.RETOKENIZE)
        (folder / "examples.parquet").unlink()
        renderer = Renderer(store, tokenizer, template)
        _examples(config, ExamplePlanner(store, renderer, config.lengths), questions, progress)
    counts, longest = _count(folder, store)
    manifest = Manifest(
        format=FORMAT,
        version=in2_plugin.__version__,
        tokenizer=config.tokenizer,
        tokenizer_fingerprint=tokenizer.fingerprint(),
        template=config.template,
        template_fingerprint=template.fingerprint(),
        joining=store.facts.joining,
        examples=counts["examples"],
        longest=longest,
        counts=counts,
        build=config.model_dump(mode="json"),
    )
    with (folder / "examples.parquet").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    seal_text(folder / "README.md", dataset_card(manifest, digest[:16]))
    seal_json(folder / "manifest.json", asdict(manifest))
    return manifest


def _claim(folder: Path, config: BuildConfig, restart: bool) -> None:
    """Make sure that the folder is empty or belongs to this build file, and mark it as such."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise ConfigError(f"{folder}: cannot be made ({failure.strerror}); give another `output`") from None
    record, wanted = folder / "build.json", config.model_dump(mode="json")
    if not restart and any((folder / name).exists() for name in STAGES):
        found = json.loads(record.read_text(encoding="utf-8"))
        if difference := _first_difference(found, wanted):
            key, old, new = difference
            raise ConfigError(
                f"{folder}: was built with `{key}: {old}`, and the build file now says `{key}: {new}`; "
                "give another `output`, or run `in2 build --restart` to replace it"
            )
        return
    if not record.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: is not empty and not an IN2 dataset; give another `output`")
    for name in STAGES:
        (folder / name).unlink(missing_ok=True)
    seal_json(record, wanted)


def _first_difference(found: Any, wanted: Any, key: str = "") -> tuple[str, Any, Any] | None:
    """The first key, in dotted form, whose values differ."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in [*wanted, *(name for name in found if name not in wanted)]:
            inner = _first_difference(found.get(name), wanted.get(name), f"{key}.{name}".lstrip("."))
            if inner:
                return inner
        return None
    return None if found == wanted else (key, found, wanted)


def _refuse_changed_tokenizer(config: BuildConfig, built: str, tokenizer: ModelTokenizer) -> None:
    if built != tokenizer.fingerprint():
        raise TokenizerMismatch(
            f"{config.output}: was begun with another tokenizer under the name {config.tokenizer}; "
            "run `in2 build --restart` to replace it"
        )


def _segments(config: BuildConfig, tokenizer: ModelTokenizer, progress: Progress) -> SegmentStore:
    folder = config.output / "segments"
    if (folder / "store.json").exists():
        store = SegmentStore(folder)
        _refuse_changed_tokenizer(config, store.facts.tokenizer, tokenizer)
        return store
    documents = read_documents(config.corpus.sources)
    with progress.stage("cutting documents into segments", None) as step:
        store = build_store(
            documents,
            folder,
            tokenizer,
            segment_tokens=config.corpus.segment_tokens,
            paper_exact=config.corpus.paper_exact,
            rng=_generator(config, "segments"),
            on_document=lambda _: step(1),
        )
    facts = store.facts
    left_out = facts.segments - int(store.usable.sum())
    progress.say(
        f"{facts.segments:,} segments of {facts.tokens / max(facts.segments, 1):.0f} tokens from "
        f"{facts.documents:,} documents; {left_out:,} left out because of their tokens"
    )
    if documents.empty or documents.other_files:
        progress.say(
            f"passed over: {documents.empty:,} documents without text, {documents.other_files:,} files of other kinds"
        )
    return store


def _questions(config: BuildConfig, store: SegmentStore, planner: ExamplePlanner, progress: Progress) -> list[Question]:
    path = config.output / "questions.parquet"
    if path.exists():
        return [_question_of(row) for row in read_rows(path)]
    writer = ExtractiveWriter(config.seed)
    questions: list[Question] = []
    rejected: list[dict[str, Any]] = []

    for kind in Kind:
        wanted = int(getattr(config.mixture, kind))
        offered = passages(store, kind, config.lengths, _generator(config, kind))
        with progress.stage(f"writing {kind.replace('_', '-')} questions", wanted) as step:
            collected = collect(writer, offered, kind, wanted, planner.objection, lambda step=step: step(1))  # type: ignore[misc]
        questions += collected.questions
        rejected += map(rejection_row, collected.rejections)
    write_rows(config.output / "rejected.parquet", rejected, REJECTED)
    write_rows(path, map(asdict, questions), QUESTIONS)
    progress.say(
        f"{len(questions):,} questions by {writer.name}; {len(rejected):,} passages gave none (rejected.parquet)"
    )
    return questions


def _question_of(row: dict[str, Any]) -> Question:
    lists = {name: tuple(row[name]) for name in ("segment_ids", "gold", "exclusive")}
    return Question(**{**row, **lists, "kind": Kind(row["kind"])})


def _examples(config: BuildConfig, planner: ExamplePlanner, questions: list[Question], progress: Progress) -> None:
    path = config.output / "examples.parquet"
    if path.exists():
        return
    with progress.stage("placing questions in contexts", len(questions)) as step:

        def counted() -> Iterator[Example]:
            for example in planner.plan(questions, _generator(config, "examples")):
                step(1)
                yield example

        planned = write_rows(path, map(asdict, counted()), EXAMPLES)
    progress.say(f"{planned:,} examples of {config.lengths.min:,} to {config.lengths.max:,} tokens")


def _count(folder: Path, store: SegmentStore) -> tuple[dict[str, int], int]:
    """Counts for the manifest, and the longest example."""
    counts: Counter[str] = Counter(examples=0, tokens=0, answer_tokens=0)
    longest = 0
    for row in read_rows(folder / "examples.parquet"):
        counts["examples"] += 1
        counts[row["kind"]] += 1
        counts["tokens"] += row["n_tokens"]
        counts["answer_tokens"] += row["n_answer_tokens"]
        longest = max(longest, row["n_tokens"])
    counts["segments"] = store.facts.segments
    counts["documents"] = store.facts.documents
    return dict(counts), longest


def _ids_are_those_of_text(folder: Path, renderer: Renderer, tokenizer: ModelTokenizer) -> bool:
    """Compare a sample of examples with tokenising their rendered text."""
    n = pq.read_metadata(folder / "examples.parquet").num_rows
    every = max(1, n // CHECKED_EXAMPLES)
    for i, row in enumerate(read_rows(folder / "examples.parquet")):
        if i % every == 0:
            said = row["segment_ids"], row["question"], row["answer"]
            if renderer.render(*said).input_ids.tolist() != tokenizer.ids([renderer.text(*said)])[0]:
                return False
    return True


def _generator(config: BuildConfig, stage: str) -> np.random.Generator:
    """A generator of its own for each stage, so that a stage's draws do not depend on the one before."""
    return np.random.default_rng([config.seed, *stage.encode()])
