"""The stages of a dataset folder, and what makes a folder one of ours."""

from pathlib import Path

from in2_plugin.dataset.build_record import WORK_LOG
from in2_plugin.errors import DatasetError

STAGES = {
    "segments": "segments/store.json",
    "screening": "segments/exclusions.parquet",
    "questions": "questions.parquet",
    "instructions": "instructions.parquet",
    "examples": "examples.parquet",
    "plans": "plans/facts.json",
    "manifest": "manifest.json",
}
"""Stages in the order in which they are finished, and the file that says so."""


def require_ours(folder: Path) -> None:
    """Refuse a folder that no build or preview has worked on.

    Raises:
        DatasetError: there is no such folder, or nothing of ours is in it.
    """
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}; give the `output` of a build file")
    if not any((folder / name).exists() for name in ("build.json", WORK_LOG, *STAGES.values())):
        raise DatasetError(f"{folder}: holds nothing of `in2 build`; give the `output` of a build file")
