"""Run `in2 probe build`: segments, questions, contexts; each stage is finished before the next starts.

Segments and questions come from the stages of `in2 build`, with their work log, limits and checks. Invariants:
probe.json is written last; a finished stage is not repeated when an interrupted build runs again; a folder of another
probe file is never written to. The same probe file and seed give the same bytes, for any number of workers.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import in2_plugin
from in2_plugin import layout
from in2_plugin.config import Distractors, Lengths, Positions, RowSource, Source
from in2_plugin.config.probe import ProbeConfig
from in2_plugin.corpus.screening.document_digests import write_digests
from in2_plugin.corpus.screening.excluded_folders import with_contents
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import ModelTokenizer, load_tokenizer
from in2_plugin.dataset.build_record import PROBE, BuildFileChange, claim, make_folder
from in2_plugin.errors import NotEnoughSegments, ProbeError, TokenizerError
from in2_plugin.examples.fillers import FillerPool
from in2_plugin.examples.template import Template
from in2_plugin.execution.engine import Engine
from in2_plugin.execution.local import LocalEngine
from in2_plugin.io.atomic import write_json_atomic, write_text_atomic
from in2_plugin.io.lock import folder_lock
from in2_plugin.io.remote import reject_credentials
from in2_plugin.pipeline.build import write_errors_explained
from in2_plugin.pipeline.planner_handle import PlannerHandle
from in2_plugin.pipeline.run import NoProgress, Progress, Run, worker_count
from in2_plugin.pipeline.shared_inputs import remove_inputs
from in2_plugin.pipeline.stages.questions import question_stage
from in2_plugin.pipeline.stages.segments import segment_stage
from in2_plugin.probing.own_text.contexts import ContextPlanner, NoRoom
from in2_plugin.probing.own_text.draw import draw_documents
from in2_plugin.probing.own_text.grouping import Neighbours
from in2_plugin.probing.own_text.own_questions import OwnQuestions, locate_questions, rows_digest
from in2_plugin.probing.own_text.rejected import add_rejected, errors_in_probe_terms, reword_rejected
from in2_plugin.probing.own_text.summary import readme
from in2_plugin.probing.own_text.tables import (
    FORMAT,
    DepthQuestion,
    PlannedContext,
    ProbeFacts,
    ProbeFolder,
    probe_digest,
    read_probe,
    write_tables,
)
from in2_plugin.probing.probes.tokens import load_tokens
from in2_plugin.questions import Kind, Question

MOST_LEFT_OUT = 0.1
"""Largest share of the questions that may be left out because a gold has no room at some depth."""


def build_own_probe(
    config: ProbeConfig,
    progress: Progress | None = None,
    change: BuildFileChange = BuildFileChange.REFUSE,
    engine: Engine | None = None,
) -> ProbeFolder:
    """Build the probe of a probe file, or resume an interrupted build.

    Starts worker processes: call it under `if __name__ == "__main__":` in a script, or set `workers: 1`.

    Raises:
        ConfigError: the output folder belongs to another probe file, or cannot be written.
        FolderLocked: another process is using the folder.
        ProbeError: a complete folder is damaged, or the probe cannot be made as asked.
        In2Error: the corpus or the questions cannot be read, or are too few.
    """
    for path in _locations(config):
        reject_credentials(path)  # before the probe file is copied into the folder
    config = with_contents(config)
    make_folder(config.output)
    with write_errors_explained(config.output), folder_lock(config.output), errors_in_probe_terms():
        claim(config.output, config, change, PROBE)
        progress = progress or NoProgress()
        return _build(config, progress, engine or LocalEngine(worker_count(config.workers)))


def _build(config: ProbeConfig, progress: Progress, engine: Engine) -> ProbeFolder:
    folder = config.output
    own_file = config.questions.file
    rows = rows_digest(own_file) if own_file else ""
    if (folder / layout.PROBE).exists():
        found = read_probe(folder)
        if own_file and rows != found.facts.questions_file:
            raise ProbeError(
                f"{folder}: {own_file.path} has changed since this probe was built; choose another `output`, or run "
                "`in2 probe build --restart` to replace it"
            )
        progress.say(f"{folder} is already complete")
        return found
    tokenizer = load_tokenizer(config.tokenizer)
    template = _template(tokenizer)
    run = Run(config.as_build(template.kind), progress, engine)
    store = segment_stage(run, tokenizer)
    own = locate_questions(config, store, progress.say) if config.questions.file else None
    if own:
        own.require(folder, progress.say)  # before the draw, which is final
    if config.documents:
        store = draw_documents(store, config.documents, config.seed, own.documents if own else ())
    _require_text(store, max(config.lengths), progress.say)
    neighbours = Neighbours(store, FillerPool.of(store.usable, store.n_tokens, store.document, store.corpus_segments))
    questions = _own(run, own, neighbours, config) if own else _written(run, store, tokenizer, template, config)
    questions, contexts = _contexts(config, questions, neighbours, progress, own)
    return _finish(config, tokenizer, rows, questions, contexts, store)


def _locations(config: ProbeConfig) -> Iterator[str]:
    sources: list[Source | RowSource] = [*config.corpus.sources]
    yield from (source.path for source in [*sources, *filter(None, [config.questions.file])])


def _template(tokenizer: ModelTokenizer) -> Template:
    """Return the chat template, by which the question stage measures; FILM's form for a base model."""
    try:
        return Template("chat", tokenizer)
    except TokenizerError:
        return Template("film", tokenizer)


def _require_text(store: SegmentStore, longest: int, say: Callable[[str], None]) -> None:
    """Raise, before any question is paid for, if no context can be filled beside any document."""
    usable = store.usable
    tokens = np.bincount(store.document[usable], weights=store.n_tokens[usable], minlength=store.facts.documents)
    total, largest = int(tokens.sum()), int(tokens.argmax())
    beside = total - int(tokens[tokens > 0].min(initial=total))
    if beside < longest:
        raise NotEnoughSegments(
            f"the documents have {total:,} tokens that can be used and, without the document of a question, at most "
            f"{beside:,}, which do not fill a context of {longest:,}; add documents to the corpus or lower `lengths`"
        )
    beside = total - int(tokens[largest])
    if beside < longest:
        say(
            f"no question about {store.documents['key'][largest].as_py()} can be asked: the other documents have "
            f"{beside:,} tokens, which do not fill a context of {longest:,}; add documents or lower `lengths`"
        )


def _written(
    run: Run, store: SegmentStore, tokenizer: ModelTokenizer, template: Template, config: ProbeConfig
) -> list[DepthQuestion]:
    """Have the writer write the questions, each of which may be asked at every length."""
    lengths = Lengths(min=min(config.lengths), max=max(config.lengths))
    handle = PlannerHandle(store, tokenizer, template, lengths, Positions(), Distractors(), config.seed)
    stored = question_stage(run, handle)
    reword_rejected(run.folder)
    remove_inputs(run, layout.POOL)
    return [_of_writer(i, question) for i, question in enumerate(stored)]


def _of_writer(number: int, question: Question) -> DepthQuestion:
    return DepthQuestion(
        number, str(question.kind), question.question, _gold_texts(question), question.document, question.gold,
        question.exclusive,
    )  # fmt: skip


def _gold_texts(question: Question) -> tuple[str, ...]:
    """Return the texts that an answer must contain: the answer, or the exclusive texts that it joins with ` / `."""
    for first in range(len(question.exclusive) - 1):
        if " / ".join(question.exclusive[first:]) == question.answer:
            return question.exclusive[first:]
    return (question.answer,)


def _own(run: Run, own: OwnQuestions, neighbours: Neighbours, config: ProbeConfig) -> list[DepthQuestion]:
    """Keep the questions of the user's file that a context can be filled beside; write the table of the others."""
    return own.usable(neighbours, config.lengths, run.folder, run.progress.say)


def _contexts(
    config: ProbeConfig,
    questions: Sequence[DepthQuestion],
    neighbours: Neighbours,
    progress: Progress,
    own: OwnQuestions | None,
) -> tuple[list[DepthQuestion], list[PlannedContext]]:
    """Return the questions and their contexts, without the few questions that have no room at some depth.

    The others are added to rejected.parquet.

    Raises:
        ProbeError: more than MOST_LEFT_OUT of the questions have no room.
        CorpusError: too many rows of the user's file cannot be used.
    """
    tokens = load_tokens({"tokenizer": config.tokenizer}, takes_chat_template=True)
    planner = ContextPlanner(neighbours, tokens, config.depths, config.questions_per_context, config.seed)
    kept, most = list(questions), MOST_LEFT_OUT * len(questions)
    while True:
        try:
            with progress.stage("placing questions in contexts", None) as step:
                return kept, list(_counted(planner.plan(kept, config.lengths), step))
        except NoRoom as found:
            if len(questions) - len(kept) + 1 > most:
                raise
            reason = str(found).partition(";")[0]
            progress.say(f"left out {found.question.place or 'a question'}: {reason}")
            if own:
                own.reject(found.question.place, found.question.text, reason)
                own.require(config.output, progress.say)
            else:
                add_rejected(config.output, found.question, reason)
            others = [one for one in kept if one.number != found.question.number]
            kept = [replace(one, number=i) for i, one in enumerate(others)]


def _counted(contexts: Iterator[PlannedContext], step: Callable[[int], None]) -> Iterator[PlannedContext]:
    for context in contexts:
        yield context
        step(1)


def _finish(
    config: ProbeConfig,
    tokenizer: ModelTokenizer,
    rows: str,
    questions: Sequence[DepthQuestion],
    contexts: Sequence[PlannedContext],
    store: SegmentStore,
) -> ProbeFolder:
    """Write the tables and, last, probe.json."""
    folder = config.output
    write_tables(folder, questions, contexts)
    used = [i for context in contexts for i in context.segment_ids]
    n_documents = write_digests(folder / layout.DOCUMENTS, store, np.array(used, np.uint32))
    facts = ProbeFacts(
        format=FORMAT,
        version=in2_plugin.__version__,
        tokenizer=config.tokenizer,
        tokenizer_fingerprint=tokenizer.fingerprint(),
        seed=config.seed,
        lengths=config.lengths,
        n_depths=config.depths,
        counts=_counts(questions, contexts, n_documents),
        digest=probe_digest(questions, contexts, store),
        questions_file=rows,
    )
    probe = ProbeFolder(folder, facts, tuple(questions), tuple(contexts), store)
    write_text_atomic(folder / layout.CARD, readme(probe))
    _remove_intermediate(folder)
    write_json_atomic(folder / layout.PROBE, asdict(facts))
    return probe


def _counts(questions: Sequence[DepthQuestion], contexts: Sequence[PlannedContext], n_documents: int) -> dict[str, Any]:
    kinds = Counter(question.kind for question in questions)
    return {
        "questions": len(questions),
        **{str(kind): kinds[kind] for kind in Kind},
        "contexts": len(contexts),
        "documents": n_documents,
        "prompts": sum(len(context.asked) for context in contexts),
    }


def _remove_intermediate(folder: Path) -> None:
    shutil.rmtree(folder / layout.PARTS, ignore_errors=True)
