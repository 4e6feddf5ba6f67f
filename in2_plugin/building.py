"""`in2 build`: corpus -> segments -> questions -> examples, each stage sealed before the next begins.

Invariants: the manifest is written last; a stage that is sealed is not done again when an interrupted build is run
again; a folder of another build file is never written into. The same build file and seed give the same bytes.
"""

import errno
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow.parquet as pq

import in2_plugin
from in2_plugin.claiming import Change, claim, make_folder
from in2_plugin.config import BuildConfig
from in2_plugin.contexts.card import dataset_card
from in2_plugin.contexts.dataset import FORMAT, Manifest, read_manifest
from in2_plugin.contexts.examples import Example, ExamplePlanner
from in2_plugin.contexts.rendering import Renderer
from in2_plugin.contexts.tables import (
    EXAMPLES,
    QUESTIONS,
    REJECTED,
    RowWriter,
    StoredQuestions,
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
from in2_plugin.folder_lock import folder_lock
from in2_plugin.questions import Kind, Question, QuestionWriter, Rejection
from in2_plugin.questions.collection import collect, passages
from in2_plugin.questions.writers import open_writer
from in2_plugin.sealing import seal_json, seal_text

CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}
CHECKED_EXAMPLES = 32
"""Examples whose ids are compared with those of their rendered text, besides the check of the store itself."""


class Progress(Protocol):
    """How a build tells what it is doing; the command line shows bars or plain lines."""

    def stage(
        self, name: str, total: int | None, detail: Callable[[], str] | None = None
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Announce a stage; the context gives a function that takes steps done since it was last called.

        `detail` gives a line about how the stage is getting on, whenever it is asked.
        """

    def say(self, line: str) -> None:
        """Show one line of result."""


def build_dataset(config: BuildConfig, progress: Progress, change: Change = Change.REFUSE) -> Manifest:
    """Build the dataset of a build file, or finish an interrupted build of it.

    Raises:
        ConfigError: the output folder holds a dataset of another build file, or cannot be written.
        FolderBusy: another process works on it.
        In2Error: the corpus cannot be read or does not hold what the mixture and lengths ask for, or the endpoint
            cannot be asked.
    """
    folder = config.output
    make_folder(folder)
    try:
        with folder_lock(folder):
            claim(folder, config, change)
            return _build(config, progress)
    except OSError as failure:
        if failure.errno not in CANNOT_WRITE:
            raise
        raise ConfigError(
            f"{folder}: cannot be written ({failure.strerror}); what was finished is kept. Make room or give another "
            "`output`, then run again"
        ) from failure


def _build(config: BuildConfig, progress: Progress) -> Manifest:
    folder = config.output
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
            rng=generator(config, "segments"),
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


def _questions(
    config: BuildConfig, store: SegmentStore, planner: ExamplePlanner, progress: Progress
) -> Sequence[Question]:
    path = config.output / "questions.parquet"
    if path.exists():
        return StoredQuestions(path)
    # sealed in this order when the block ends: questions.parquet, written last, marks the stage as finished
    with (
        open_writer(config, progress.say) as writer,
        RowWriter(path, QUESTIONS) as questions,
        RowWriter(config.output / "rejected.parquet", REJECTED) as rejected,
    ):
        for kind in Kind:
            _questions_of(kind, config, store, planner, progress, writer, questions, rejected)
    progress.say(
        f"{questions.count:,} questions by {writer.name}; {rejected.count:,} turned down, with the reason, in "
        "rejected.parquet"
    )
    return StoredQuestions(path)


def _questions_of(
    kind: Kind,
    config: BuildConfig,
    store: SegmentStore,
    planner: ExamplePlanner,
    progress: Progress,
    writer: QuestionWriter,
    questions: RowWriter,
    rejected: RowWriter,
) -> None:
    wanted = int(getattr(config.mixture, kind))
    offered = passages(store, kind, config.lengths, generator(config, kind))
    reasons: Counter[str] = Counter()

    def detail() -> str:
        turned_down = f"{reasons.total():,} turned down ({_most_common(reasons)})" if reasons else ""
        return ", ".join(part for part in (writer.detail(), turned_down) if part)

    with progress.stage(f"writing {kind.replace('_', '-')} questions", wanted, detail) as step:

        def keep(question: Question) -> None:
            questions.add(asdict(question))
            step(1)

        def turn_down(rejection: Rejection) -> None:
            rejected.add(rejection_row(rejection))
            reasons[rejection.reason] += 1

        collect(writer, offered, kind, wanted, planner.objection, keep, turn_down)


def _most_common(reasons: Counter[str]) -> str:
    shown = [f"{count:,} because {reason}" for reason, count in reasons.most_common(2)]
    return "; ".join(shown)


def _examples(config: BuildConfig, planner: ExamplePlanner, questions: Sequence[Question], progress: Progress) -> None:
    path = config.output / "examples.parquet"
    if path.exists():
        return
    with progress.stage("placing questions in contexts", len(questions)) as step:

        def counted() -> Iterator[Example]:
            for example in planner.plan(questions, generator(config, "examples")):
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


def generator(config: BuildConfig, stage: str) -> np.random.Generator:
    """A generator of its own for each stage, so that a stage's draws do not depend on the one before."""
    return np.random.default_rng([config.seed, *stage.encode()])
