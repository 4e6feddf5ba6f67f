"""Build the data of a study: divided documents, own probe, held-out questions, one dataset per stage, arm and seed.

Invariant: no arm sees a held-out document, or one that shares ten words with the gold of a held-out question. All arms
of a seed have the same build seed. Cost: under a minute per dataset of 4,800 questions.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from benchmarks.evidence.rows import Model
from benchmarks.evidence.running.folder import StudyFolder
from benchmarks.evidence.study import FIRST, Section, Texts
from in2_plugin import layout
from in2_plugin.corpus.sources.documents import read_documents
from in2_plugin.demo.settings import changed
from in2_plugin.io.atomic import write_atomic

PROBE, HELD_OUT = "probe", "data/held-out"
SEEDS = {FIRST: 1_000, "second": 2_000}
"""Added to the seed of a study, so that the stages ask different questions."""


def build_shared(folder: StudyFolder) -> None:
    """Divide the documents, and build what is measured with; does nothing where this is done."""
    study = folder.study
    if not (folder.path / "corpus/held-out.jsonl").exists():
        divide_documents(study.texts, folder.path / "corpus")
    ours = {"output": PROBE, "tokenizer": "base", "seed": study.probe_seed}
    own = changed(changed(study.own_probe, ours), {"corpus": {"sources": [_texts("held-out")]}})
    if not (folder.path / PROBE / "probe.json").exists():
        folder.in2("build-probe", "probe", "build", folder.write_config("probe", own), "--quiet")
    _build(folder, HELD_OUT, changed(study.build, study.held_out_questions), _texts("held-out"), study.probe_seed)


def build_training(folder: StudyFolder, model: Model) -> Path:
    """Build the dataset of one stage of one seed; return its folder, relative to the study's."""
    section = folder.study.first_build() if model.arm == FIRST else folder.study.second_build(model.arm)
    against = changed(section, {"corpus": {"decontamination": {"against": [PROBE, HELD_OUT]}}})
    seed = SEEDS.get(model.arm, SEEDS["second"]) + model.seed
    return _build(folder, f"data/{model.name}", against, _texts("train"), seed)


def divide_documents(texts: Texts, folder: Path) -> None:
    """Write train.jsonl and held-out.jsonl; equal texts are on the same side. held-out.jsonl is written last."""
    folder.mkdir(exist_ok=True)
    sides: dict[bool, list[str]] = {False: [], True: []}
    for document in read_documents(texts.sources):
        number = int.from_bytes(hashlib.sha256(document.text.encode()).digest()[:4])
        sides[number < texts.held_out * 2**32].append(json.dumps({"text": document.text}, ensure_ascii=False))
    for held_out, name in ((False, "train"), (True, "held-out")):
        write_atomic(folder / f"{name}.jsonl", _writer(sides[held_out]))


def _writer(lines: list[str]) -> Any:
    return lambda part: part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _texts(side: str) -> str:
    return f"corpus/{side}.jsonl"


def _build(folder: StudyFolder, output: str, section: Section, source: str, seed: int) -> Path:
    ours = {"output": output, "tokenizer": "base", "seed": seed, "corpus": {"sources": [source]}}
    if not (folder.path / output / layout.MANIFEST).exists():
        name = Path(output).name
        folder.in2(f"build-{name}", "build", folder.write_config(f"build-{name}", changed(section, ours)), "--quiet")
    return Path(output)
