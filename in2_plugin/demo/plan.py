"""List the stages of a demo with their commands, and write the settings files that these read.

Numbers come from the recipe folder; this module only connects the files: which model, which dataset, which output
folder. All paths are relative to the demo's folder, where every command runs.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from in2_plugin.demo.folder import CACHE, FIRST, MODEL, PAGE, PROBE, RESULTS, SPEED, DemoFolder
from in2_plugin.demo.settings import DemoSettings, DemoSize, TrainingRound, merged
from in2_plugin.demo.speed import MachineSpeed

Command = tuple[str, ...]
AXOLOTL, TRL = "axolotl", "trl"


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """What the user asked for."""

    recipe: Path
    settings: DemoSettings
    is_full: bool
    corpus: str | None
    """A folder or file of text; None for the bundled documentation."""
    model: str | None
    """Name or folder of the model; None for that of the recipe."""
    probe_documents: int | None = None
    """Documents of a small corpus that the probe gets; None for the number of the recipe."""

    @property
    def size(self) -> DemoSize:
        """The size that was asked for."""
        return self.settings.full if self.is_full else self.settings.short

    @property
    def model_name(self) -> str:
        """The model's name for people."""
        return Path(self.model or str(self.settings.model)).name

    @property
    def model_path(self) -> str:
        """The model's name or folder as commands see it."""
        return self.model or MODEL


@dataclass(frozen=True, slots=True)
class Stage:
    """Commands that run one after the other, and are recorded when all have succeeded."""

    name: str
    does: str
    commands: tuple[Command, ...]
    files: tuple[str, ...] = ()
    """Settings files that the commands read."""
    produces: str = ""
    """A file that exists when the commands have succeeded."""
    fresh: str = ""
    """A folder that an unfinished attempt leaves in a state that the next one cannot use."""
    output: str = ""
    """Output folder of a training run; empty for other stages."""
    task: str = ""
    """What to say about the result: `model`, `probe`, `data`, `evaluation`, `training` or `report`."""


def first_stage(request: DemoRequest) -> Stage:
    """Return the stage that gets the model and measures the machine; the others depend on what it measures."""
    get: tuple[Command, ...] = ()
    if request.model is None and request.settings.model:
        get = (("in2", "model", "get", request.settings.model, "--output", MODEL),)
    measure = ("python", "-m", "in2_plugin.demo.speed", request.model_path, SPEED)
    does = f"{'get' if get else 'read'} {request.model_name}, measure this machine"
    return Stage("model", does, (*get, measure), produces=SPEED, task="model")


def later_stages(request: DemoRequest, speed: MachineSpeed, folder: DemoFolder) -> list[Stage]:
    """Write the settings files, and return the stages after the first."""
    writer = _Planner(request, speed, folder)
    rounds = [_Round(one, f"-{one.name}" if len(request.size.rounds) > 1 else "") for one in request.size.rounds]
    data = [writer.data(one) for one in rounds]
    runs, base, labels = [writer.evaluation(request.model_path, FIRST)], request.model_path, [FIRST]
    for one in rounds:
        labels.append(f"after{one.suffix}")
        runs += [writer.training(one, base), writer.evaluation(one.output, labels[-1])]
        base = one.output
    return [writer.probe(), *data, *runs, _report(labels)]


def trainer_of(settings: DemoSettings) -> str:
    """Return `axolotl` or `trl`: that of the recipe, or else Axolotl where it is installed."""
    return settings.trainer or (AXOLOTL if find_spec(AXOLOTL) else TRL)


@dataclass(frozen=True, slots=True)
class _Round:
    settings: TrainingRound
    suffix: str

    @property
    def data(self) -> str:
        return f"data{self.suffix}"

    @property
    def output(self) -> str:
        return f"out{self.suffix}"


@dataclass(frozen=True, slots=True)
class _Planner:
    request: DemoRequest
    speed: MachineSpeed
    folder: DemoFolder

    @property
    def _sources(self) -> dict[str, Any]:
        return {"sources": [self.request.corpus]} if self.request.corpus else {}

    def _write(self, source: str, target: str, *changes: Mapping[str, Any]) -> str:
        values = merged(self.request.recipe, source, *changes)
        self.folder.write_settings(target, values, f"{self.request.recipe.name}/{source}")
        return target

    def probe(self) -> Stage:
        wiring = {"output": PROBE, "tokenizer": self.request.model_path, "corpus": self._sources}
        fewer = {"documents": self.request.probe_documents} if self.request.probe_documents else {}
        file = self._write("probe.yml", "probe.yml", self.request.size.probe, wiring, fewer)
        does = "questions about documents that training never sees"
        return Stage(PROBE, does, (("in2", "probe", "build", file),), (file,), task="probe")

    def data(self, one: _Round) -> Stage:
        corpus = {**self._sources, "decontamination": {"against": [PROBE]}}
        wiring = {"output": one.data, "tokenizer": self.request.model_path, "corpus": corpus}
        file = self._write("build.yml", f"build{one.suffix}.yml", one.settings.build, wiring)
        does = "training data from the other documents"
        return Stage(one.data, does, (("in2", "build", file),), (file,), task="data")

    def training(self, one: _Round, base: str) -> Stage:
        trains = self._axolotl if trainer_of(self.request.settings) == AXOLOTL else self._sft
        command, file, program = trains(one, base)
        return Stage(
            f"train{one.suffix}", f"train with {program} in {self.speed.dtype}", (command,), (file,),
            produces=f"{one.output}/config.json", fresh=f"prepared{one.suffix}", output=one.output, task="training",
        )  # fmt: skip

    def _axolotl(self, one: _Round, base: str) -> tuple[Command, str, str]:
        wiring = {
            "base_model": base,
            "datasets": [{"path": one.data, "type": "in2"}],
            "dataset_prepared_path": f"prepared{one.suffix}",
            "output_dir": one.output,
            "auto_resume_from_checkpoints": True,
            "bf16": self.speed.dtype == "bfloat16",
            "fp16": False,
        }
        file = self._write("axolotl.yml", f"axolotl{one.suffix}.yml", one.settings.axolotl, wiring)
        return ("axolotl", "train", file, "--launcher", "python"), file, "Axolotl"

    def _sft(self, one: _Round, base: str) -> tuple[Command, str, str]:
        wiring = {
            "model_name_or_path": base,
            "datasets": [{"path": "in2", "data_dir": one.data}],
            "output_dir": one.output,
            "bf16": self.speed.dtype == "bfloat16",
            "use_cpu": self.speed.is_cpu,
        }
        file = self._write("sft.yml", f"sft{one.suffix}.yml", one.settings.sft, wiring)
        return ("in2", "sft", "--config", file, "--num_processes", "1"), file, "TRL"

    def evaluation(self, model: str, label: str) -> Stage:
        settings = self.request.size.evaluation
        results = f"{RESULTS}/{label}"
        options = {"pretrained": model, "dtype": self.speed.dtype}
        metadata = {"probe": PROBE, **settings.metadata}
        answers = ("--gen_kwargs", f"max_gen_toks={settings.max_gen_toks}") if settings.max_gen_toks else ()
        # answers go to the cache one by one, so that an interrupted run asks only the others
        command = (
            "in2", "lm-eval", "--model", "in2-hf", "--model_args", json.dumps(options), "--device", self.speed.device,
            "--tasks", ",".join(settings.tasks), "--metadata", json.dumps(metadata), *answers,
            "--apply_chat_template", "--log_samples", "--use_cache", f"{CACHE}/{label}", "--output_path", results,
        )  # fmt: skip
        does = "ask the model before training" if label == FIRST else "ask the same questions again"
        return Stage(label, does, (command,), fresh=results, task="evaluation")


def _report(labels: list[str]) -> Stage:
    results = [f"{RESULTS}/{label}" for label in labels]
    names = [word for label in labels for word in ("--label", label.replace("-", " "))]
    command = ("in2", "report", *results, *names, "-o", PAGE)
    return Stage("report", "compare, with intervals", (command,), produces=PAGE, task="report")


def settings_of(recipe: Path) -> Iterator[Path]:
    """Yield the files of a recipe that decide what a demo does."""
    yield from (recipe / name for name in ("demo.yml", "probe.yml", "build.yml", "axolotl.yml", "sft.yml"))
