import json
from pathlib import Path

import pytest

from tests.support.damages import cut, keys, remove, text
from tests.support.findings import assert_finding


def stopped_build(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "parts").mkdir()
    (folder / "parts/stopped.txt").write_text("the endpoint answers 401: set OPENAI_API_KEY\n")


def stopped_job(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "parts").mkdir()
    (folder / "parts/stopped-2-of-8.txt").write_text("the endpoint answers 401: set OPENAI_API_KEY\n")


def failed_audit(folder: Path) -> None:
    figure = {"name": "mask", "value": 3, "bound": 0, "passed": False, "detail": "row 7; build again"}
    (folder / "audit.json").write_text(json.dumps({"passed": False, "figures": [figure]}))


DAMAGES = [
    (stopped_build, "stages", "stopped: the endpoint answers 401: set OPENAI_API_KEY"),
    (stopped_job, "stages", "stopped: the endpoint answers 401: set OPENAI_API_KEY"),
    (failed_audit, "audit", "mask is out of bounds"),
    (cut("audit.json", 0.5), "audit", "cannot be read"),
    (text("build.json", '"seed"', '"sede"'), "build file", "unknown key `sede`"),
    (cut("build.json", 0.5), "build file", "cannot be read"),
    (remove("questions.parquet"), "stages", "questions.parquet is missing"),
    (
        text("manifest.json", '"examples": 60', '"examples": 61'),
        "manifest",
        "is 61, but the data have 60",
    ),
    (keys("manifest.json", examples=5), "manifest", "examples is 5 instead of 60"),
    (keys("manifest.json", longest=1), "manifest", "longest is 1 instead of"),
    (keys("manifest.json", template="film"), "manifest", "template is film instead of"),
    (keys("manifest.json", tokenizer_fingerprint="x"), "manifest", "tokenizer_fingerprint is x instead of"),
    (cut("manifest.json", 0.9), "manifest", "damaged"),
    (text("README.md", "build-", "build-00"), "dataset card", "digest"),
]


@pytest.mark.parametrize(("damage", "check", "message"), DAMAGES)
def test_damage_is_found(unrendered, damage, check, message):
    damage(unrendered)
    assert_finding(unrendered, check, message)
