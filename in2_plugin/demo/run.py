"""Run a demo from start to verdict, or go on with an interrupted one.

Invariant: a stage runs only if it has no record of the same inputs, and its record is written after its commands have
succeeded; the commands themselves resume. A kill at any moment costs at most what the running command had not saved.
"""

import hashlib
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from in2_plugin.demo.checkpoints import newest_checkpoint
from in2_plugin.demo.folder import CACHE, FIRST, LOCK, PAGE, SPEED, DemoFolder, StageRecord
from in2_plugin.demo.inputs import probe_documents, read_probe_settings
from in2_plugin.demo.outcome import DemoVerdict, how_to_try, read_verdict, summary_of
from in2_plugin.demo.plan import Command, DemoRequest, Stage, first_stage, later_stages, settings_of
from in2_plugin.demo.process import end_orphans, require_programs, run_logged
from in2_plugin.demo.screen import DemoScreen, about, clock
from in2_plugin.demo.speed import MachineSpeed, read_speed
from in2_plugin.demo.training_log import LogFollower
from in2_plugin.errors import DemoFailed
from in2_plugin.io.lock import folder_lock

PROBE_DOCUMENTS = "probe_documents"
"""Key of the folder's record: documents for the probe of a small corpus."""
SCALED = ("evaluation", "training")
"""Stages whose time depends on the speed of training; the others take about the same anywhere."""


def run_demo(path: Path, request: DemoRequest, out: TextIO) -> DemoVerdict:
    """Run all stages that are not finished, and print the verdict.

    Raises:
        ConfigError: the folder belongs to something else, or a setting of the recipe is invalid.
        CorpusError: the corpus cannot be read.
        MissingExtra: a program that the demo needs is not installed.
        FolderLocked: another demo is running in this folder.
        DemoFailed: a command failed.
    """
    require_programs(request.settings.trainer)
    probe = read_probe_settings(request)
    folder = DemoFolder(path.resolve())
    folder.refuse_other_kind()  # before a lock file is written there
    path.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder.path, name=LOCK):
        end_orphans(folder.path)
        found = folder.claim(_identity(request), lambda: {PROBE_DOCUMENTS: probe_documents(request, probe)})
        request = replace(request, probe_documents=found.get(PROBE_DOCUMENTS))
        return _Demo(folder, request, DemoScreen(out)).run()


def _identity(request: DemoRequest) -> dict[str, object]:
    files = b"\0".join(file.read_bytes() for file in settings_of(request.recipe) if file.is_file())
    return {
        "full": request.is_full,
        "corpus": request.corpus,
        "model": request.model,
        "settings": hashlib.sha256(files).hexdigest()[:16],
    }


class _Demo:
    """One run of the program."""

    def __init__(self, folder: DemoFolder, request: DemoRequest, screen: DemoScreen) -> None:
        self._folder, self._request, self._screen = folder, request, screen
        self._number, self._total = 0, 0
        self._speed: MachineSpeed | None = None
        self._digest = ""

    def run(self) -> DemoVerdict:
        self._screen.say(f"in2 demo: teach {self._request.model_name} to find an answer anywhere in its context")
        self._screen.say(f"in {self._folder.path}; Ctrl-C stops, the same command goes on", 2)
        if kept := self._request.probe_documents:
            self._screen.say(
                f"the corpus is small: {kept} of its documents are for the probe, the others for training", 2
            )
        self._total = 4 + 3 * len(self._request.size.rounds)
        self._finish(first_stage(self._request))
        self._speed = read_speed(self._folder.path / SPEED)
        stages = later_stages(self._request, self._speed, self._folder)
        left = [self._expected(one) for one in stages if one.task in SCALED and not self._folder.record_of(one.name)]
        if left and None not in left:
            self._screen.say(f"evaluation and training take {about(sum(filter(None, left)))} on this machine", 16)
        for stage in stages:
            self._finish(stage)
        return self._conclude()

    def _finish(self, stage: Stage) -> None:
        """Run a stage, unless it is finished."""
        self._number += 1
        number = f"{self._number}/{self._total}"
        self._digest = self._folder.digest(self._digest, stage.commands, stage.files)
        record = self._folder.record_of(stage.name)
        if record and record.inputs == self._digest:
            self._screen.begin(number, stage.name, stage.does, "done before")
            self._screen.finish(record.summary, clock(record.seconds))
            return
        self._screen.begin(number, stage.name, stage.does, about(self._expected(stage)))
        started = time.monotonic()
        try:
            self._run(stage, started)
        finally:
            self._screen.stop()
        seconds, summary = time.monotonic() - started, summary_of(stage, self._folder)
        self._folder.record(stage.name, StageRecord(self._digest, seconds, summary))
        self._screen.finish(summary, clock(seconds))

    def _run(self, stage: Stage, started: float) -> None:
        log, resumed = self._folder.log(stage.name), self._resume(stage)
        log.touch()
        follower = LogFollower(log, start=log.stat().st_size)

        def look() -> None:
            follower.read()
            self._screen.update(follower, started)

        for command in stage.commands:
            run_logged((*command, *resumed), self._folder.path, log, self._environment(), look)
        if stage.produces and not (self._folder.path / stage.produces).is_file():
            raise DemoFailed(f"`{' '.join(command[:3])}` did not write {stage.produces}; see {log}")

    def _resume(self, stage: Stage) -> Command:
        """Prepare the folder for another attempt; return options that make a training run resume."""
        checkpoint = newest_checkpoint(self._folder.path / stage.output) if stage.output else None
        if stage.fresh and not checkpoint:
            shutil.rmtree(self._folder.path / stage.fresh, ignore_errors=True)
        (self._folder.path / CACHE).mkdir(exist_ok=True)
        if checkpoint and stage.commands[0][:2] == ("in2", "sft"):
            return ("--resume_from_checkpoint", str(checkpoint.relative_to(self._folder.path)))
        return ()  # Axolotl finds the checkpoint, with `auto_resume_from_checkpoints`

    def _expected(self, stage: Stage) -> float | None:
        """Return the expected seconds of a stage; None if the recipe does not know."""
        first = self._folder.record_of(FIRST)
        if stage.task == "evaluation" and first:
            return first.seconds  # the same questions
        seconds, reference = self._request.size.seconds.get(stage.name), self._request.settings.speed
        if seconds is None or stage.task not in SCALED:
            return seconds
        return seconds * reference / self._speed.tokens_per_second if reference and self._speed else None

    def _environment(self) -> dict[str, str]:
        named = [one for one in (self._request.model, self._request.corpus) if one and not Path(one).exists()]
        local = {} if named else {"HF_HUB_OFFLINE": "1"}
        quiet = {"AXOLOTL_DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **quiet, **local}

    def _conclude(self) -> DemoVerdict:
        found = read_verdict(self._folder)
        self._screen.say("")
        self._screen.say(found.sentence)
        self._screen.say(f"average           {found.average}", 2)
        self._screen.say(f"ends minus middle {found.dip}", 2)
        if found.next_step:
            self._screen.say(f"What to try: {found.next_step}")
            for line in how_to_try(self._request):
                self._screen.say(line, 2)
        self._screen.say(f"The page: {self._folder.path / PAGE}")
        return found


def stop_on_sigterm() -> None:
    """Stop as cleanly on SIGTERM as on Ctrl-C: Slurm and containers send it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
