"""Name every file of a dataset folder, and list the stages of a build.

No other module spells these names. Files directly in the dataset folder are opened as `folder / layout.EXAMPLES`; the
names of files in the subfolders `segments/`, `plans/` and `parts/` are relative to the subfolder. Imports nothing of
the package but `errors`.
"""

from pathlib import Path

from in2_plugin.errors import DatasetError

BUILD = "build.json"
"""The build file that the folder belongs to, with all defaults filled in."""
QUESTIONS = "questions.parquet"
REJECTED = "rejected.parquet"
"""Questions that were paid for and rejected, each with a reason."""
INSTRUCTIONS = "instructions.parquet"
"""Conversations of the general part of the mixture."""
EXAMPLES = "examples.parquet"
DOCUMENTS = "documents.parquet"
"""A digest of each document in use, also in a probe folder."""
AUDIT = "audit.json"
REPORT = "report.html"
CARD = "README.md"
"""The dataset card."""
MANIFEST = "manifest.json"
"""Written last: a folder with a manifest is complete."""

PROBE_QUESTIONS = "probe_questions.parquet"
"""Questions of a probe folder, with their answers and gold segments."""
CONTEXTS = "contexts.parquet"
"""Contexts of a probe folder, and the questions that each is asked."""
PROBE = "probe.json"
"""Written last: a probe folder with this file is complete."""

SEGMENTS = "segments"
"""Subfolder of the segment store."""
STORE_FACTS = "store.json"
EXCLUSIONS = "exclusions.parquet"
"""Segments that screening excludes."""
SCREENING_FACTS = "exclusions.json"
SEGMENT_TABLE = "segments.arrow"
DOCUMENT_TABLE = "documents.arrow"
SEGMENT_IDS = "ids.bin"
"""Token ids of all segments."""
SEGMENT_OFFSETS = "offsets.bin"
SEGMENT_DOCUMENTS = "document.bin"
SEGMENT_LENGTHS = "n_tokens.bin"
SEGMENT_STANDINGS = "standing.bin"

PLANS = "plans"
"""Subfolder of the memory-mapped files that trainers read."""
PLAN_FACTS = "facts.json"
PLAN_LENGTHS = "lengths.bin"
PLAN_RECORDS = "examples.bin"
PLAN_SEGMENTS = "segments.bin"
PLAN_TAILS = "tails.bin"
PLAN_ANSWERS = "answers.bin"
PLAN_OPENINGS = "openings.bin"

GOLD_ROWS = "gold_rows"
"""Subfolder of each question with its gold segments alone, for teachers."""
GOLD_FACTS = "gold_facts.json"
GOLD_EXAMPLES = "gold_examples.bin"
GOLD_RECORDS = "gold_rows.bin"
GOLD_IDS = "gold_ids.bin"

TEACHER = "teacher"
"""Subfolder with a folder of scores for each teacher."""
TEACHER_FACTS = "teacher.json"
TEACHING_LOCK = "teaching.lock"
"""Held while gold rows or the scores of one teacher are written."""
TEACHER_REPORT = "teacher_report.json"

WRITTEN = "written_answers"
"""Subfolder of the answers that a teacher wrote, in a dataset whose stored answers they replace."""
WRITING_FACTS = "writing.json"
"""The model that writes them, and its settings."""
WRITTEN_REPORT = "written_report.json"

PARTS = "parts"
"""Subfolder of intermediate results; deleted when the build is complete."""
SHARDS = "shards.json"
"""Number of shards of a stage, and the digest of its inputs."""
STOPPED = "stopped*.txt"
"""Pattern of the errors that ended the last build or its array jobs."""
ORDERS = "orders.arrow"
POOL = "pool.arrow"

WORK_LOG = "work.sqlite"
WORK_RESERVE = "work.reserve"
"""Disk space kept free so that paid answers can be committed on a full disk."""
JOB_LOGS = "work-*-of-*.sqlite"
"""Pattern of the work logs of array jobs, until they are merged."""

LOCK = "build.lock"
JOB_LOCKS = "build-*-of-*.lock"
"""Pattern of the locks of array jobs."""
CLAIM_LOCK = "claim.lock"
"""Held while the build record is compared and written."""
UNPACKING_LOCK = "unpacking.lock"

STAGES = {
    "segments": f"{SEGMENTS}/{STORE_FACTS}",
    "screening": f"{SEGMENTS}/{EXCLUSIONS}",
    "questions": QUESTIONS,
    "instructions": INSTRUCTIONS,
    "examples": EXAMPLES,
    "plans": f"{PLANS}/{PLAN_FACTS}",
    "manifest": MANIFEST,
}
"""Stages in the order in which they finish; each is finished when its file exists."""

JUDGE_LOG = "judge.sqlite"
"""Answers of a judge, in a folder of lm_eval's results."""
JUDGE_LOCK = "judge.lock"

PROBE_STAGES = {
    "segments": STAGES["segments"],
    "screening": STAGES["screening"],
    "questions": QUESTIONS,
    "probe": PROBE,
}
"""The same for a probe folder."""

TRAINING_DOCUMENTS = "in2_documents.parquet"
"""Digests of the documents that a model was trained on, in its folder."""

NOT_A_BUILD = frozenset({WORK_LOG, f"{WORK_LOG}-wal", f"{WORK_LOG}-shm", WORK_RESERVE, LOCK, PARTS})
"""Files that a preview or an estimate may leave in a folder before its first build."""


def job_log(job: str) -> str:
    """Return the name of the work log of one array job, for example `1-of-4`."""
    return f"work-{job}.sqlite"


def job_lock(job: str) -> str:
    """Return the name of the lock of one array job."""
    return f"build-{job}.lock"


def stopped_file(job: str) -> str:
    """Return the name of the error that ended an array job; of a whole build or a merge for an empty name."""
    return f"stopped-{job}.txt" if job else "stopped.txt"


def shard_file(number: int) -> str:
    """Return the name of one shard of a stage in `parts/`."""
    return f"{number:05d}.arrow"


def scores_file(number: int) -> str:
    """Return the name of one shard of a teacher's scores."""
    return f"{number:05d}.bin"


def answers_file(number: int) -> str:
    """Return the name of one shard of written answers."""
    return f"{number:05d}.parquet"


def require_dataset_folder(folder: Path) -> None:
    """Raise unless a build, a preview or an estimate has written to this folder.

    Raises:
        DatasetError: the folder does not exist, contains none of the files above, or is a probe.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; give the `output` of a build file")
    if (folder / PROBE).exists():
        raise DatasetError(
            f"{folder}: is a probe, and this command is for datasets; its README says what it has, and "
            "`in2 probe build` compares it with its digest"
        )
    if not any((folder / name).exists() for name in (BUILD, WORK_LOG, *STAGES.values())):
        raise DatasetError(f"{folder}: not a dataset folder of `in2 build`; give the `output` of a build file")
