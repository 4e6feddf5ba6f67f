"""The folder of a study: everything that a run needs, so that a copied folder goes on elsewhere.

    study.yml run.json base/      the study file, dtype and device, the untrained model
    corpus/                       train.jsonl, held-out.jsonl
    probe/ data/ models/          what `in2` builds and trains
    rows.jsonl scores/            the results; `report` reads nothing else
    configs/ logs/ results/       files for and from the programs that run

Programs run in this folder and get relative paths. On Linux they end with the harness, also when it is killed; those of
`in2_plugin.demo.process.run_logged` go on until the next start on the same machine finds them.
"""

import ctypes
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.evidence.study import STUDY, Study, load_study, read_study
from benchmarks.measured import ENVIRONMENT, commit
from in2_plugin.errors import ConfigError
from in2_plugin.io.atomic import write_json_atomic, write_text_atomic

LOG_LINES = 15
IN2 = (sys.executable, "-m", "in2_plugin.cli")


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """An opened study."""

    path: Path
    study: Study
    dtype: str
    """`float32` or `bfloat16`: of training and probing, on every machine that works on this folder."""
    device: str
    """`cpu`, `cuda` or `mps`."""

    def run(self, log: str, *command: str) -> None:
        """Run a program in this folder; its output goes to `logs/LOG.log`.

        Raises:
            ConfigError: it failed; the message has the end of its output.
        """
        file = self.path / "logs" / f"{log}.log"
        file.parent.mkdir(exist_ok=True)
        with file.open("ab") as output:
            done = subprocess.run(
                command, cwd=self.path, env=self._environment(), stdout=output, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, check=False, preexec_fn=_end_with_parent,
            )  # fmt: skip
        if done.returncode:
            lines = file.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
            end = "\n".join(lines[-LOG_LINES:])
            raise ConfigError(f"{log}: failed with exit status {done.returncode}; the whole log is {file}\n{end}")

    def in2(self, log: str, *arguments: str) -> None:
        """Run `in2`."""
        self.run(log, *IN2, *arguments)

    def write_config(self, name: str, values: Mapping[str, Any]) -> str:
        """Write `configs/NAME.yml` and return its relative path."""
        (self.path / "configs").mkdir(exist_ok=True)
        write_text_atomic(self.path / "configs" / f"{name}.yml", yaml.safe_dump(dict(values), sort_keys=False))
        return f"configs/{name}.yml"

    def facts(self) -> dict[str, Any]:
        """Return where and with what a cell runs."""
        return {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit(),
            "machine": f"{_processor()}, {os.cpu_count()} cores",
            "device": self.device,
            "dtype": self.dtype,
        }

    def _environment(self) -> dict[str, str]:
        ours = {"TRL_EXPERIMENTAL_SILENCE": "1"}
        if self.device == "cpu":  # accelerate's default is cpu:0, to which checkpoints cannot be loaded
            ours["ACCELERATE_TORCH_DEVICE"] = "cpu"
        if self.device == "cuda":  # with several, the trainer would multiply the batch
            ours["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
        return ENVIRONMENT | ours


def open_folder(path: Path, study: Path | None, model: Path | None, device: str | None) -> StudyFolder:
    """Open the folder of a study, or make it from a study file and a model.

    Raises:
        ConfigError: the folder is of another study, or a new one lacks a model.
    """
    path.mkdir(parents=True, exist_ok=True)
    _keep_study(path, study)
    _keep_model(path, model)
    settings = path / "run.json"
    if not settings.exists():
        chosen = device or "cpu"
        write_json_atomic(settings, {"device": chosen, "dtype": _dtype(chosen)})
    kept = json.loads(settings.read_text(encoding="utf-8"))
    return StudyFolder(path.resolve(), load_study(path / "study.yml"), kept["dtype"], device or kept["device"])


def _keep_study(path: Path, given: Path | None) -> None:
    kept = path / "study.yml"
    if given is None and kept.exists():
        return
    text = yaml.safe_dump(read_study(given or STUDY), sort_keys=False)  # whole: a recipe may change before it goes on
    if not kept.exists():
        load_study(given or STUDY)
        write_text_atomic(kept, text)
    elif text != kept.read_text(encoding="utf-8"):
        raise ConfigError(f"{path}: was started with another study file; choose another --out, or leave --study out")


def _keep_model(path: Path, given: Path | None) -> None:
    base = path / "base"
    if base.exists():
        return
    if given is None or not (given / "config.json").is_file():
        raise ConfigError(f"{path}: has no model yet; add `--model FOLDER`, with a model that `save_pretrained` wrote")
    part = path / "base.part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(given, part, ignore=shutil.ignore_patterns("checkpoint-*", ".*"))
    part.rename(base)


def _dtype(device: str) -> str:
    if device == "cuda":
        return "bfloat16"
    if device != "cpu":
        return "float32"
    from in2_plugin.inspection.environment.cpu_dtype import fastest_cpu_dtype

    return fastest_cpu_dtype()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _end_with_parent() -> None:
    if sys.platform == "linux":  # otherwise a killed harness leaves a trainer that writes into the resumed run
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
