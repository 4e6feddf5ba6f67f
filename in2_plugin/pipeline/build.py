"""Run `in2 build`: corpus, segments, questions, examples, plans, audit; each stage is finished before the next starts.

Invariants: the manifest is written last, and only for a dataset that passes its audit; a finished stage is not repeated
when an interrupted build runs again; a folder of a different build file is never written to. The same build file and
seed give the same bytes, for any number of workers.
"""

import errno
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import in2_plugin
from in2_plugin import layout
from in2_plugin.config import LONG_PARTS, BuildConfig
from in2_plugin.corpus.screening.excluded_folders import with_contents
from in2_plugin.corpus.screening.screen import screening_facts
from in2_plugin.corpus.splicing import Joining
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import ModelTokenizer, load_tokenizer
from in2_plugin.dataset.build_record import BuildFileChange, claim, make_folder
from in2_plugin.dataset.documents import write_used_documents
from in2_plugin.dataset.plans import digest_of
from in2_plugin.dataset.reader import FORMAT, IN2Dataset, Manifest, content_digest, prepare_frames, turns_of
from in2_plugin.dataset.tables import StoredConversations, StoredQuestions, read_rows
from in2_plugin.errors import ArrayJobDone, AuditFailed, ConfigError, In2Error, TokenizerMismatch, one_line
from in2_plugin.examples.positions import require_capacity
from in2_plugin.examples.rendering import Renderer
from in2_plugin.examples.template import Template
from in2_plugin.execution.engine import Engine
from in2_plugin.execution.local import LocalEngine
from in2_plugin.inspection.audit.run import Audit, audit
from in2_plugin.io.atomic import write_json_atomic, write_text_atomic
from in2_plugin.io.lock import folder_lock
from in2_plugin.io.remote import reject_credentials
from in2_plugin.pipeline.array_job import WHOLE_BUILD, ArrayJob
from in2_plugin.pipeline.planner_handle import PlannerHandle
from in2_plugin.pipeline.run import NoProgress, Progress, Run, worker_count
from in2_plugin.pipeline.stages.examples import example_stage
from in2_plugin.pipeline.stages.instructions import instruction_stage
from in2_plugin.pipeline.stages.plans import plan_stage
from in2_plugin.pipeline.stages.questions import question_stage
from in2_plugin.pipeline.stages.segments import segment_stage
from in2_plugin.sharing.card import dataset_card

CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}
CHECKED_EXAMPLES = 32
"""Examples whose token ids are compared with those of their rendered text, besides the check of the store itself."""


def build_dataset(
    config: BuildConfig,
    progress: Progress | None = None,
    change: BuildFileChange = BuildFileChange.REFUSE,
    *,
    engine: Engine | None = None,
    array_job: ArrayJob = WHOLE_BUILD,
) -> Manifest:
    """Build the dataset of a build file, or resume an interrupted build.

    Starts worker processes: call it under `if __name__ == "__main__":` in a script, or set `workers: 1`.

    Args:
        progress: shows how far the build is; shows nothing when None.
        engine: runs the shards; processes of this machine when None.
        array_job: selects the shards that this process makes, when several processes share a build.

    Raises:
        ArrayJobDone: this process is one of several jobs, and its shards are done.
        ShardsMissing: this process merges the shards of jobs, and some are missing.
        ConfigError: the output folder belongs to a different build file, or cannot be written.
        FolderLocked: another process is using the folder.
        AuditFailed: the dataset is finished but fails its audit; all files are kept.
        In2Error: the corpus cannot be read or is too small for the mixture and lengths, or the endpoint does not
            answer.
    """
    folder = config.output
    for source in _locations(config):
        reject_credentials(source)  # before the build file is copied into the folder
    config = with_contents(config)
    make_folder(folder)
    with write_errors_explained(folder), folder_lock(folder, array_job.name):
        claim(folder, config, change)
        return _build_or_record(
            Run(config, progress or NoProgress(), engine or LocalEngine(worker_count(config.workers)), array_job)
        )


@contextmanager
def write_errors_explained(
    folder: Path, advice: str = "finished stages are kept. Free disk space or set another `output`, then run again"
) -> Iterator[None]:
    """Raise a ConfigError for a folder that cannot be written, with what to do."""
    try:
        yield
    except OSError as failure:
        if failure.errno not in CANNOT_WRITE:
            raise
        raise ConfigError(f"{folder}: cannot be written ({failure.strerror}); {advice}") from failure


def _build_or_record(run: Run) -> Manifest:
    """Build; keep the error that ends a build, or each of its array jobs, for `in2 doctor`."""
    parts, own = run.folder / layout.PARTS, layout.stopped_file(run.array_job.name)
    for stopped in parts.glob(own if run.array_job.is_job else layout.STOPPED):
        stopped.unlink(missing_ok=True)
    try:
        return _build(run)
    except ArrayJobDone:
        raise
    except In2Error as error:
        if not (run.folder / layout.MANIFEST).exists():
            with suppress(OSError):  # a full disk, say; the error itself matters more
                write_text_atomic(parts / own, one_line(error, limit=2_000))
        raise


def _say_what_is_kept(run: Run) -> None:
    """Say what an earlier run has left to go on from."""
    kept = [name for name, file in layout.STAGES.items() if (run.folder / file).exists()]
    if shards := sum(1 for _ in run.folder.glob(f"{layout.PARTS}/*/*.arrow")):
        kept.append(f"{shards:,} finished shards")
    if (run.folder / layout.WORK_LOG).exists():
        kept.append("paid answers")
    if kept:
        run.progress.say(f"resuming, with these kept: {', '.join(kept)}")


def _remove_intermediate(folder: Path) -> None:
    """Remove files that only an unfinished build needs."""
    shutil.rmtree(folder / layout.PARTS, ignore_errors=True)
    for lock in folder.glob(layout.JOB_LOCKS):
        lock.unlink(missing_ok=True)


def _locations(config: BuildConfig) -> Iterator[str]:
    """Yield every path and URL of a build file that might contain credentials."""
    yield from (source.path for source in config.corpus.sources)
    yield from (source.path for source in config.corpus.decontamination.sources)
    yield from (source.path for source in config.instructions.sources)
    yield config.ray.storage or ""


def _build(run: Run) -> Manifest:
    config, folder = run.config, run.folder
    tokenizer = load_tokenizer(config.tokenizer)
    if (folder / layout.MANIFEST).exists():
        manifest = _require_same_ids(folder, tokenizer)
        if not (folder / layout.DOCUMENTS).exists():  # an earlier version wrote the folder
            write_used_documents(folder)
        _remove_intermediate(folder)
        run.progress.say(f"{folder} is already complete")
        return manifest
    _say_what_is_kept(run)
    template = Template(config.template, tokenizer)
    prepare_frames(template, config.questions_per_context, 0)  # a template that cannot: before any question is paid for
    store = segment_stage(run, tokenizer)
    _require_places(config, store)
    questions = question_stage(run, _planner_handle(config, store, tokenizer, template))
    # its own template: conversations that are skipped must add no frames, which a resumed build would not have
    conversations = instruction_stage(run, Renderer(store, tokenizer, Template(config.template, tokenizer)))
    most_turns = config.questions_per_context, conversations.most_turns
    prepare_frames(template, *most_turns)
    store = _plan_examples(run, store, tokenizer, template, questions, conversations)
    plan_stage(run, store, tokenizer, template)
    run.array_job.end_job("audit")
    found = _require_audit(run, store, Renderer(store, tokenizer, template), tokenizer)
    write_used_documents(folder)
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
        most_turns=most_turns[0],
        most_turns_general=most_turns[1],
        counts=counts,
        build=config.model_dump(mode="json"),
        content=content_digest(folder),
    )
    digest = digest_of(folder / layout.EXAMPLES)
    write_text_atomic(folder / layout.CARD, dataset_card(manifest, digest[:16], found.as_json()))
    _remove_intermediate(folder)
    write_json_atomic(folder / layout.MANIFEST, asdict(manifest))
    return manifest


def _require_same_ids(folder: Path, tokenizer: ModelTokenizer) -> Manifest:
    """Return the manifest of a complete dataset; raise if this tokenizer gives other ids than those stored."""
    try:
        return IN2Dataset(folder, tokenizer).manifest
    except TokenizerMismatch as mismatch:
        what = str(mismatch).rpartition("; ")[0]
        raise TokenizerMismatch(f"{what}; run `in2 build --restart` to replace the dataset") from None


def _require_places(config: BuildConfig, store: SegmentStore) -> None:
    """Raise, before any question is paid for, if the shortest contexts cannot hold their golds."""
    usable = store.n_tokens[store.usable]
    mixture = config.mixture
    if len(usable) and any(getattr(mixture, part) for part in LONG_PARTS):
        # an integration question has two gold segments or more, and so has one of four questions about records
        n_golds = config.questions_per_context * (2 if mixture.integration or mixture.records else 1)
        require_capacity(config.positions, max(n_golds, int(config.lengths.min / np.median(usable))), n_golds)


def _planner_handle(
    config: BuildConfig, store: SegmentStore, tokenizer: ModelTokenizer, template: Template
) -> PlannerHandle:
    return PlannerHandle(store, tokenizer, template, config.lengths, config.positions, config.distractors, config.seed)


def _plan_examples(
    run: Run,
    store: SegmentStore,
    tokenizer: ModelTokenizer,
    template: Template,
    questions: StoredQuestions,
    conversations: StoredConversations,
) -> SegmentStore:
    """Plan the examples; plan them again, each tokenized as a whole, when joined ids differ from those of the text."""
    example_stage(run, _planner_handle(run.config, store, tokenizer, template), questions, conversations)
    # jobs of an array start from finished examples, which the process that finished them has compared
    if not run.array_job.is_job and not _ids_are_those_of_text(
        run.folder, Renderer(store, tokenizer, template), tokenizer
    ):
        run.progress.say("joined token ids differ from those of the text; every example is tokenized as a whole")
        store = store.with_joining(Joining.RETOKENIZE)
        for name in (layout.EXAMPLES, layout.STAGES["plans"]):
            (run.folder / name).unlink(missing_ok=True)
        example_stage(run, _planner_handle(run.config, store, tokenizer, template), questions, conversations)
    return store


def _require_audit(run: Run, store: SegmentStore, renderer: Renderer, tokenizer: ModelTokenizer) -> Audit:
    config, progress = run.config, run.progress
    with progress.stage("auditing", None):
        found = audit(config.output, config, store, renderer, tokenizer)
    if not found.passed:
        raise AuditFailed(
            f"{config.output}: fails its audit and gets no manifest, so that no trainer accepts it: "
            f"{found.failing[0].sentence()}; see report.html there, or `in2 audit {config.output}`"
        )
    progress.say(f"audit passed, {len(found.figures)} figures in audit.json and report.html")
    return found


def _count(folder: Path, store: SegmentStore) -> tuple[dict[str, int], int]:
    """Return the counts of the manifest, and the length of the longest example."""
    counts: Counter[str] = Counter(examples=0, tokens=0, answer_tokens=0, turns=0)
    longest = 0
    for row in read_rows(folder / layout.EXAMPLES):
        counts["examples"] += 1
        counts[row["part"]] += 1
        counts["turns"] += len(row["turns"])
        counts["tokens"] += row["n_tokens"]
        counts["answer_tokens"] += row["n_answer_tokens"]
        longest = max(longest, row["n_tokens"])
    counts["segments"] = store.facts.segments
    counts["documents"] = store.facts.documents
    if store.record_segments:
        counts["record_segments"] = len(store.record_segments)
    counts.update(screening_facts(store.folder).counts())
    return dict(counts), longest


def _ids_are_those_of_text(folder: Path, renderer: Renderer, tokenizer: ModelTokenizer) -> bool:
    """Compare the ids of a sample of examples with those of their rendered text."""
    n = pq.read_metadata(folder / layout.EXAMPLES).num_rows
    every = max(1, n // CHECKED_EXAMPLES)
    for i, row in enumerate(read_rows(folder / layout.EXAMPLES)):
        if i % every == 0:
            context = row["segment_ids"], turns_of(row)
            if renderer.render(*context).input_ids.tolist() != tokenizer.ids([renderer.text(*context)])[0]:
                return False
    return True
