"""`in2 build`: corpus -> segments -> questions -> examples -> plans -> audit, each stage sealed before the next begins.

Invariants: the manifest is written last, and only for a dataset that passes its audit; a stage that is sealed is not
done again when an interrupted build is run again; a folder of another build file is never written into. The same build
file and seed give the same bytes, whatever the number of workers.
"""

import errno
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq

import in2_plugin
from in2_plugin import layout
from in2_plugin.config import BuildConfig
from in2_plugin.corpus.screening.screen import screening_facts
from in2_plugin.corpus.splicing import Joining
from in2_plugin.corpus.store import SegmentStore
from in2_plugin.corpus.tokenizer import ModelTokenizer, load_tokenizer
from in2_plugin.dataset.build_record import Change, claim, make_folder
from in2_plugin.dataset.plans import digest_of
from in2_plugin.dataset.reader import FORMAT, Manifest, prepare_frames, read_manifest, turns_of
from in2_plugin.dataset.tables import StoredConversations, StoredQuestions, read_rows
from in2_plugin.errors import AuditFailed, ConfigError
from in2_plugin.examples.rendering import Renderer
from in2_plugin.examples.template import Template
from in2_plugin.execution.engine import Engine
from in2_plugin.execution.local import LocalEngine
from in2_plugin.inspection.audit.run import Audit, audit
from in2_plugin.io.atomic import write_json_atomic, write_text_atomic
from in2_plugin.io.lock import folder_lock
from in2_plugin.io.remote import reject_credentials
from in2_plugin.pipeline.array_job import WHOLE, Portion
from in2_plugin.pipeline.examples import example_stage
from in2_plugin.pipeline.instructions import instruction_stage
from in2_plugin.pipeline.planner_handle import Planning
from in2_plugin.pipeline.plans import plan_stage
from in2_plugin.pipeline.questions import question_stage
from in2_plugin.pipeline.run import NoProgress, Progress, Run, workers
from in2_plugin.pipeline.segments import refuse_changed_tokenizer, segment_stage
from in2_plugin.sharing.card import dataset_card

CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}
CHECKED_EXAMPLES = 32
"""Examples whose ids are compared with those of their rendered text, besides the check of the store itself."""


def build_dataset(
    config: BuildConfig,
    progress: Progress | None = None,
    change: Change = Change.REFUSE,
    *,
    engine: Engine | None = None,
    portion: Portion = WHOLE,
) -> Manifest:
    """Build the dataset of a build file, or finish an interrupted build of it.

    It starts worker processes: a script calls it under `if __name__ == "__main__":`, or sets `workers: 1`.

    Args:
        progress: shows how far the build is; shows nothing when None.
        engine: who works on the shards; processes of this machine when None.
        portion: which shards this process makes, where several do.

    Raises:
        ArrayJobDone: this process was one of several, and has done its share.
        ShardsMissing: it was to merge what others made, and something is missing.
        ConfigError: the output folder holds a dataset of another build file, or cannot be written.
        FolderLocked: another process works on it.
        AuditFailed: the dataset is finished but is not what the build file promises; everything is kept.
        In2Error: the corpus cannot be read or does not hold what the mixture and lengths ask for, or the endpoint
            cannot be asked.
    """
    folder = config.output
    for source in _named(config):
        reject_credentials(source)  # before the build file is copied into the folder
    make_folder(folder)
    try:
        with folder_lock(folder, portion.name):
            claim(folder, config, change)
            return _build(Run(config, progress or NoProgress(), engine or LocalEngine(workers(config)), portion))
    except OSError as failure:
        if failure.errno not in CANNOT_WRITE:
            raise
        raise ConfigError(
            f"{folder}: cannot be written ({failure.strerror}); what was finished is kept. Make room or give another "
            "`output`, then run again"
        ) from failure


def _tidy(folder: Path) -> None:
    """Remove what was only needed on the way."""
    shutil.rmtree(folder / layout.PARTS, ignore_errors=True)
    for lock in folder.glob(layout.JOB_LOCKS):
        lock.unlink(missing_ok=True)


def _named(config: BuildConfig) -> Iterator[str]:
    """Every path and address of a build file in which a key may stand."""
    yield from (source.path for source in config.corpus.sources)
    yield from (source.path for source in config.corpus.decontamination.sources)
    yield from (source.path for source in config.instructions.sources)
    yield config.ray.storage or ""


def _build(run: Run) -> Manifest:
    config, folder = run.config, run.folder
    tokenizer = load_tokenizer(config.tokenizer)
    if (folder / layout.MANIFEST).exists():
        manifest = read_manifest(folder)
        refuse_changed_tokenizer(config, manifest.tokenizer_fingerprint, tokenizer)
        _tidy(folder)
        run.progress.say(f"{folder} is complete already")
        return manifest
    template = Template(config.template, tokenizer)
    store = segment_stage(run, tokenizer)
    questions = question_stage(run, _planning(config, store, tokenizer, template))
    conversations = instruction_stage(run, Renderer(store, tokenizer, template))
    most_turns = config.questions_per_context, conversations.most_turns
    prepare_frames(template, *most_turns)
    store = _examples(run, store, tokenizer, template, questions, conversations)
    plan_stage(run, store, tokenizer, template)
    run.portion.refuse_alone("audit")
    found = _audited(run, store, Renderer(store, tokenizer, template), tokenizer)
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
    )
    digest = digest_of(folder / layout.EXAMPLES)
    write_text_atomic(folder / layout.CARD, dataset_card(manifest, digest[:16], found.as_json()))
    _tidy(folder)
    write_json_atomic(folder / layout.MANIFEST, asdict(manifest))
    return manifest


def _planning(config: BuildConfig, store: SegmentStore, tokenizer: ModelTokenizer, template: Template) -> Planning:
    return Planning(store, tokenizer, template, config.lengths, config.distractors, config.seed)


def _examples(
    run: Run,
    store: SegmentStore,
    tokenizer: ModelTokenizer,
    template: Template,
    questions: StoredQuestions,
    conversations: StoredConversations,
) -> SegmentStore:
    """Plan the examples; again, tokenised as a whole, when joining stored ids does not give the ids of the text."""
    example_stage(run, _planning(run.config, store, tokenizer, template), questions, conversations)
    # jobs of an array begin with sealed examples, which the one that sealed them has compared
    if not run.portion.is_share and not _ids_are_those_of_text(
        run.folder, Renderer(store, tokenizer, template), tokenizer
    ):
        run.progress.say("joining stored ids does not give the ids of the text; every example is tokenised as a whole")
        store = store.with_joining(Joining.RETOKENIZE)
        for name in (layout.EXAMPLES, layout.STAGES["plans"]):
            (run.folder / name).unlink(missing_ok=True)
        example_stage(run, _planning(run.config, store, tokenizer, template), questions, conversations)
    return store


def _audited(run: Run, store: SegmentStore, renderer: Renderer, tokenizer: ModelTokenizer) -> Audit:
    config, progress = run.config, run.progress
    with progress.stage("auditing", None):
        found = audit(config.output, config, store, renderer, tokenizer)
    if not found.passed:
        raise AuditFailed(
            f"{config.output}: fails its audit, and is left without a manifest so that no trainer takes it: "
            f"{found.failing[0].sentence()}; see report.html there, or `in2 audit {config.output}`"
        )
    progress.say(f"audit passed, {len(found.figures)} figures in audit.json and report.html")
    return found


def _count(folder: Path, store: SegmentStore) -> tuple[dict[str, int], int]:
    """Counts for the manifest, and the longest example."""
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
    counts.update(screening_facts(store.folder).counts())
    return dict(counts), longest


def _ids_are_those_of_text(folder: Path, renderer: Renderer, tokenizer: ModelTokenizer) -> bool:
    """Compare a sample of examples with tokenising their rendered text."""
    n = pq.read_metadata(folder / layout.EXAMPLES).num_rows
    every = max(1, n // CHECKED_EXAMPLES)
    for i, row in enumerate(read_rows(folder / layout.EXAMPLES)):
        if i % every == 0:
            said = row["segment_ids"], turns_of(row)
            if renderer.render(*said).input_ids.tolist() != tokenizer.ids([renderer.text(*said)])[0]:
                return False
    return True
