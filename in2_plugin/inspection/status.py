"""`in2 status`: read the contents of a dataset folder and the progress of its build, also while the build runs.

Invariant: no file is written or created, and the build is never blocked. (SQLite registers its readers in shared
memory, through work.sqlite-shm.) Cost: two narrow columns of the question tables and one scan of the work log.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from in2_plugin import layout
from in2_plugin.config import PARTS, Prices, QuestionsConfig
from in2_plugin.errors import ConfigError, DatasetError, In2Error, one_line
from in2_plugin.inspection.report import READ_ERRORS
from in2_plugin.io.lock import LockHolder, lock_holder
from in2_plugin.llm.request import BATCH_PURPOSE, Usage
from in2_plugin.llm.usage import price
from in2_plugin.llm.work_log import WorkLog
from in2_plugin.questions import Kind
from in2_plugin.questions.form_counts import form_counts
from in2_plugin.questions.records.registers import registers_in

KINDS = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class LogStatus:
    """Contents of the work log."""

    answers: Mapping[str, Usage]
    """By purpose: a kind of question, or a check."""
    failures: Mapping[str, int]
    """Abandoned requests, by reason."""
    open_batches: int
    answer_format: str | None
    """`json_schema` or `markers`; None before it is detected, or without a build file that names the model."""
    money: Mapping[str, float]
    """By currency, at the prices of the build file; empty without prices."""
    unpriced: tuple[str, ...]
    """Purposes not included in `money`, because the build file has no prices for their model."""


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """Everything that `in2 status` shows."""

    folder: Path
    finished: tuple[str, ...]
    """Names of finished stages."""
    holder: LockHolder | None
    """Process that is using the folder."""
    segments: Mapping[str, int]
    questions: Mapping[str, int]
    """By kind."""
    forms: Mapping[str, Mapping[str, int]]
    """Questions by style and direction of their forms; empty if their writer declares no forms."""
    rejected: Mapping[str, int]
    """By reason, most frequent first."""
    examples: int
    wanted: Mapping[str, int]
    """The mixture of the build file."""
    log: LogStatus | None
    """Totals of the build's work log and of the logs of array jobs that are not merged yet."""
    shards: Mapping[str, tuple[int, int]]
    """By unfinished stage: number of finished shards, number of all shards."""
    bytes_by_part: Mapping[str, int]

    @property
    def next_step(self) -> str:
        """Return the next step for the user."""
        if self.holder:
            return "a build is running; nothing to do"
        if list(self.folder.glob(layout.JOB_LOCKS)):
            return (
                "run `in2 merge` with its build file when all jobs have ended, or `in2 build` to finish in one process"
            )
        if "manifest" in self.finished:
            return "complete: add the folder to your training file"
        return "run `in2 build` with its build file to resume"


def read_status(folder: Path) -> FolderStatus:
    """Read the status of a dataset folder.

    Raises:
        DatasetError: the folder does not exist, is not a dataset folder, or a file is damaged.
        WorkLogError: the work log cannot be read.
    """
    layout.require_dataset_folder(folder)
    build = _mapping(_json(folder / layout.BUILD))
    finished = tuple(name for name, file in layout.STAGES.items() if (folder / file).exists())
    asked = "questions" in finished
    kinds, forms = _counts(folder / layout.QUESTIONS, "kind", "form") if asked else ({}, {})
    return FolderStatus(
        folder=folder,
        finished=finished,
        holder=lock_holder(folder),
        segments=_segments(folder / layout.STAGES["segments"]) if "segments" in finished else {},
        questions=kinds,
        forms=_forms(forms, build.get("questions")),
        rejected=_counts(folder / layout.REJECTED, "reason")[0] if asked else {},
        examples=_rows(folder / layout.STAGES["examples"]) if "examples" in finished else 0,
        wanted={
            name: n for name, n in _mapping(build.get("mixture")).items() if name in PARTS and isinstance(n, int) and n
        },
        log=_log(folder, _mapping(build.get("questions"))),
        shards=_shards(folder / layout.PARTS),
        bytes_by_part=_sizes(folder),
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except READ_ERRORS as failure:
        reason = one_line(failure)
        folder = path.parent.parent if path.parent.name == layout.SEGMENTS else path.parent
        raise DatasetError(f"{path}: cannot be read ({reason}); run `in2 doctor {folder}`") from None


def _json(path: Path) -> Any:
    with _explained(path), suppress(FileNotFoundError):
        return json.loads(path.read_text(encoding="utf-8"))


def _mapping(value: object) -> Mapping[str, Any]:
    """Return `value` if it is a mapping, else an empty one: reporting damaged build files is left to `in2 doctor`."""
    return value if isinstance(value, dict) else {}


def _segments(path: Path) -> dict[str, int]:
    with _explained(path):
        facts = json.loads(path.read_text(encoding="utf-8"))
        counts = {name: int(facts[name]) for name in ("documents", "segments", "tokens")}
        if records := int(facts.get("record_segments", 0)):
            counts |= {"documents": counts["documents"] - registers_in(records), "record_segments": records}
        return counts


def _rows(path: Path) -> int:
    with _explained(path):
        return int(pq.read_metadata(path).num_rows)


def _counts(path: Path, *columns: str) -> list[dict[str, int]]:
    """Return for each column how often each value occurs, most frequent first."""
    counts: list[Counter[str]] = [Counter() for _ in columns]
    with _explained(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=columns):
            for column, found in zip(columns, counts, strict=True):
                found.update(map(str, batch.column(column).to_pylist()))
    return [dict(found.most_common()) for found in counts]


def _forms(forms: Mapping[str, int], section: object) -> dict[str, dict[str, int]]:
    try:
        return form_counts(forms, QuestionsConfig.parse(section, layout.BUILD)) if forms else {}
    except ConfigError:  # damaged, or a writer of a package that is not installed here
        return {}


def _shards(folder: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for record in sorted(folder.glob(f"*/{layout.SHARDS}")):
        # a running build may remove it meanwhile
        with suppress(FileNotFoundError):
            shards = int(_mapping(_json(record))["shards"])
            found[record.parent.name] = (len(list(record.parent.glob("*.arrow"))), shards)
    return found


def _log(folder: Path, questions: Mapping[str, Any]) -> LogStatus | None:
    endpoint = _mapping(questions.get("endpoint"))
    answers: defaultdict[str, Usage] = defaultdict(Usage)
    failures: Counter[str] = Counter()
    open_batches, answer_format, logs = 0, None, [folder / layout.WORK_LOG, *sorted(folder.glob(layout.JOB_LOGS))]
    for path in filter(Path.exists, logs):
        with _explained(path), closing(WorkLog(path, read_only=True)) as log:
            for purpose, use in log.totals().items():
                answers[purpose].add(use)
            failures += log.failures()
            open_batches += len(log.open_batches())
            answer_format = answer_format or _answer_format(log, endpoint)
    if not any(map(Path.exists, logs)):
        return None
    money, unpriced = _money(answers, questions)
    return LogStatus(
        answers=dict(sorted(answers.items())),
        failures=dict(failures.most_common()),
        open_batches=open_batches,
        answer_format=answer_format,
        money=money,
        unpriced=unpriced,
    )


def _answer_format(log: WorkLog, endpoint: Mapping[str, Any]) -> str | None:
    set_in_file = endpoint.get("answer_format", "auto")
    return log.fact(f"answer_format {endpoint.get('model')}") if set_in_file == "auto" else str(set_in_file)


def _money(answers: Mapping[str, Usage], questions: Mapping[str, Any]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the money spent by currency, and the purposes without prices."""
    endpoint = _mapping(questions.get("endpoint"))
    # without a configured judge, the writing model also judges
    judge = _mapping(_mapping(questions.get("verify")).get("judge")) or endpoint
    money: defaultdict[str, float] = defaultdict(float)
    unpriced = []
    for purpose, use in answers.items():
        if prices := _prices(endpoint if purpose in {*KINDS, BATCH_PURPOSE} else judge):
            money[prices.currency] += price(use, prices)
        else:
            unpriced.append(purpose)
    return dict(money), tuple(unpriced)


def _prices(endpoint: Mapping[str, Any]) -> Prices | None:
    given = endpoint.get("prices")
    try:
        return Prices.parse(given, "prices") if given else None
    except In2Error:
        return None


def _sizes(folder: Path) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for path in folder.rglob("*"):
        # a running build may rename or remove files meanwhile
        with suppress(FileNotFoundError):
            if path.is_file():
                sizes[path.relative_to(folder).parts[0]] += path.stat().st_size
    return dict(sizes.most_common())
