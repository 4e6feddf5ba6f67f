"""What is in a dataset folder, and how far its build is; also while it runs.

Invariant: nothing is written, created or locked. Cost: the two narrow columns of the question tables and one scan of
the work log.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from in2_plugin.calls.meter import price
from in2_plugin.calls.request import Use
from in2_plugin.calls.work_log import WorkLog
from in2_plugin.claiming import WORK_LOG
from in2_plugin.config import Prices
from in2_plugin.errors import DatasetError, In2Error
from in2_plugin.folder_lock import Holder, holder

STAGES = {
    "segments": "segments/store.json",
    "questions": "questions.parquet",
    "examples": "examples.parquet",
    "manifest": "manifest.json",
}
"""Stages in the order in which they are finished, and the file that says so."""


@dataclass(frozen=True, slots=True)
class LogStatus:
    """What the work log holds."""

    answers: Mapping[str, Use]
    """By purpose: a kind of question, or a check."""
    failures: Mapping[str, int]
    """Requests that were given up, by reason."""
    open_batches: int
    money: float | None
    """At the prices of the build file; None without."""
    currency: str


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """Everything `in2 status` shows."""

    folder: Path
    finished: tuple[str, ...]
    """Names of finished stages."""
    holder: Holder | None
    """Who works on it now."""
    segments: Mapping[str, int]
    questions: Mapping[str, int]
    """By kind."""
    rejected: Mapping[str, int]
    """By reason, the commonest first."""
    examples: int
    wanted: Mapping[str, int]
    """The mixture of the build file."""
    log: LogStatus | None
    bytes_by_part: Mapping[str, int]

    @property
    def next_step(self) -> str:
        """What a person would do now."""
        if self.holder:
            return "a build is running; nothing to do"
        if "manifest" in self.finished:
            return "complete: name the folder in your trainer's file"
        return "run `in2 build` with its build file to go on"


def read_status(folder: Path) -> FolderStatus:
    """Look at a folder.

    Raises:
        DatasetError: there is no such folder, or nothing of ours is in it.
        WorkLogError: the work log cannot be read.
    """
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}; give the `output` of a build file")
    if not any((folder / name).exists() for name in ("build.json", WORK_LOG, *STAGES.values())):
        raise DatasetError(f"{folder}: holds nothing of `in2 build`; give the `output` of a build file")
    build = _json(folder / "build.json")
    finished = tuple(name for name, file in STAGES.items() if (folder / file).exists())
    return FolderStatus(
        folder=folder,
        finished=finished,
        holder=holder(folder),
        segments={k: v for k, v in _json(folder / STAGES["segments"]).items() if isinstance(v, int)},
        questions=_column(folder / STAGES["questions"], "kind"),
        rejected=_column(folder / "rejected.parquet", "reason") if "questions" in finished else {},
        examples=pq.read_metadata(folder / STAGES["examples"]).num_rows if "examples" in finished else 0,
        wanted=build.get("mixture", {}),
        log=_log(folder / WORK_LOG, build.get("questions", {})),
        bytes_by_part=_sizes(folder),
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as failure:
        raise DatasetError(f"{path}: cannot be read ({failure}); run `in2 doctor {path.parent}`") from None
    return found if isinstance(found, dict) else {}


def _column(path: Path, name: str) -> dict[str, int]:
    if not path.exists():
        return {}
    counts: Counter[str] = Counter()
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=[name]):
                counts.update(batch.column(0).to_pylist())
    except (OSError, ValueError) as failure:
        raise DatasetError(f"{path}: cannot be read ({failure}); run `in2 doctor {path.parent}`") from None
    return dict(counts.most_common())


def _log(path: Path, questions: Mapping[str, Any]) -> LogStatus | None:
    if not path.exists():
        return None
    log = WorkLog(path, read_only=True)
    try:
        answers, failures, batches = log.totals(), log.failures(), len(log.open_batches())
    finally:
        log.close()
    writer = _prices(questions.get("endpoint"))
    judge = _prices((questions.get("verify") or {}).get("judge")) or writer
    money = None
    if writer and judge:
        kinds = {"fine_grained", "integration"}
        money = sum(price(use, writer if purpose in kinds else judge) for purpose, use in answers.items())
    return LogStatus(answers, dict(failures.most_common()), batches, money, writer.currency if writer else "")


def _prices(endpoint: object) -> Prices | None:
    given = endpoint.get("prices") if isinstance(endpoint, dict) else None
    try:
        return Prices.parse(given, "prices") if given else None
    except In2Error:
        return None


def _sizes(folder: Path) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for path in folder.rglob("*"):
        if path.is_file():
            sizes[path.relative_to(folder).parts[0]] += path.stat().st_size
    return dict(sizes.most_common())
